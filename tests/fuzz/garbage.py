"""What the fuzzers make their nonsense of."""

from typing import Any

from hypothesis import strategies as st

TOKENS = st.sampled_from(
    [
        b"GET",
        b"POST",
        b"PUT",
        b"HEAD",
        b"CONNECT",
        b"PATCH",
        b"PRI",
        b" ",
        b"  ",
        b"\t",
        b"/",
        b"*",
        b"//",
        b"/..",
        b"/%2e%2e/%2e%2e/etc/passwd",
        b"/%00",
        b"/\xff",
        b"?",
        b"#",
        b"http://",
        b"http://[",
        b"http://a:99999/",
        b"http://registry.practice.test/",
        b"127.0.0.1:1",
        b"HTTP/1.1",
        b"HTTP/1.0",
        b"HTTP/0.9",
        b"HTTP/2.0",
        b"HTTP/9",
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"Host: a",
        b"Content-Length: 5",
        b"Content-Length: -1",
        b"Content-Length: 1e9",
        b"Content-Length: 99999999999999999999",
        b"Transfer-Encoding: chunked",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"zz\r\n",
        b"Authorization: ",
        b"Bearer ",
        b"AWS4-HMAC-SHA256 Credential=",
        b"Basic !!!",
        b"Expect: 100-continue",
        b": ",
        b"\0",
        b"Connection: keep-alive, close",
        b"Range: bytes=-0",
        b"\xf0\x9f\x92\xa9",
        b"a" * 300,
        b"[" * 300,
        b"X-Amz-Date: x",
        b"Upgrade: h2c",
        b"{",
        b"<",
        b"x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    ]
)
JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def laughs(levels: int) -> str:
    """YAML whose few lines mean 2 * 9 ** levels words, by aliases of aliases."""
    names = "abcdefghijklm"
    lines = ["a: &a [x, x]"]
    for name, former in zip(names[1 : levels + 1], names, strict=False):
        lines.append(f"{name}: &{name} [{', '.join([f'*{former}'] * 9)}]")
    return "\n".join(lines) + "\n"
