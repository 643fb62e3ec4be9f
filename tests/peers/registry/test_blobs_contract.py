"""Logging in, uploading and fetching blobs: what clients rely on, of the stand-in and of real registries."""

from pathlib import Path

import bcrypt
import pytest
import requests

from tests.peers.registry.conftest import Released
from tests.peers.registry.running import REALM, Running, code_of, digest_of, said

pytestmark = pytest.mark.peers
NONE = digest_of(b"there is no such blob")
MEBIBYTE = 2**20


# Who is let in


@pytest.mark.parametrize("path", ["/v2/", "/v2/_catalog", "/v2/a/b/tags/list", f"/v2/a/b/blobs/{NONE}"])
def test_without_a_login_it_is_asked_for(registry: Running, path: str) -> None:
    closed = registry("GET", path, auth=None)
    assert said(closed) == (401, "UNAUTHORIZED")
    assert closed.headers["Www-Authenticate"] == f'Basic realm="{REALM}"'
    assert closed.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    assert closed.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize(
    "login",
    [
        {"auth": ("alice", "wrong")},
        {"auth": ("alice", "")},
        {"auth": ("mallory", "right")},
        {"auth": None, "headers": {"Authorization": "Basic !!!"}},
        {"auth": None, "headers": {"Authorization": "Bearer right"}},
    ],
)
def test_a_wrong_login_is_refused(registry: Running, login: dict[str, object]) -> None:
    assert said(registry("GET", "/v2/", **login)) == (401, "UNAUTHORIZED")


def test_the_refusal_tells_which_right_is_missing(registry: Running) -> None:
    refused = registry("POST", "/v2/a/b/blobs/uploads/", auth=None)
    detail = refused.json()["errors"][0]["detail"]
    assert [(each["Type"], each["Name"], each["Action"]) for each in detail] == [
        ("repository", "a/b", "pull"),
        ("repository", "a/b", "push"),
    ]
    assert registry("GET", "/v2/", auth=None).json()["errors"][0]["detail"] is None


def test_the_right_login_is_let_in(registry: Running) -> None:
    answer = registry("GET", "/v2/")
    assert (answer.status_code, answer.json()) == (200, {})
    assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"


def test_without_a_login_the_probe_of_the_pods_is_answered(registry: Running) -> None:
    assert registry("GET", "/", auth=None).status_code == 200
    assert registry("HEAD", "/", auth=None).status_code == 200


def test_without_a_login_unknown_paths_are_told(registry: Running) -> None:
    assert registry("GET", "/v1/_ping", auth=None).status_code == 404
    assert registry("GET", "/v2/a/b/unknown", auth=None).status_code == 404
    moved = registry("GET", "/v2", auth=None)
    assert (moved.status_code, moved.headers["Location"]) == (301, "/v2/")


def test_a_new_htpasswd_file_holds_at_once(registry: Running, settings: dict[str, str]) -> None:
    """The wizard adds users while the registry runs; a file that has changed is read again."""
    htpasswd = Path(settings["REGISTRY_AUTH_HTPASSWD_PATH"])
    former = htpasswd.read_bytes()
    assert registry("GET", "/v2/", auth=("bob", "new")).status_code == 401
    try:
        htpasswd.write_bytes(former + b"bob:" + bcrypt.hashpw(b"new", bcrypt.gensalt(4)) + b"\n")
        assert registry("GET", "/v2/", auth=("bob", "new")).status_code == 200
        assert registry("GET", "/v2/").status_code == 200
    finally:
        htpasswd.write_bytes(former)


# Uploading


def test_an_upload_in_one_piece(registry: Running, name: str) -> None:
    answer = registry("PUT", f"{registry.begin(name)}&digest={digest_of(b'content')}", data=b"content")
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"{registry.url}/v2/{name}/blobs/{digest_of(b'content')}"
    assert answer.headers["Docker-Content-Digest"] == digest_of(b"content")


def test_a_new_upload_tells_where_it_is(registry: Running, name: str) -> None:
    begun = registry("POST", f"/v2/{name}/blobs/uploads/")
    upload = begun.headers["Docker-Upload-UUID"]
    assert (begun.status_code, begun.headers["Range"]) == (202, "0-0")
    assert begun.headers["Location"].startswith(f"{registry.url}/v2/{name}/blobs/uploads/{upload}?_state=")
    asked = registry("GET", begun.headers["Location"])
    assert (asked.status_code, asked.headers["Range"]) == (204, "0-0")


def test_an_upload_in_pieces_with_their_ranges(registry: Running, name: str) -> None:
    location, content = registry.begin(name), b"0123456789"
    for first, piece in ((0, b"0123"), (4, b"456789")):
        last = first + len(piece) - 1
        headers = {"Content-Range": f"{first}-{last}", "Content-Type": "application/octet-stream"}
        answer = registry("PATCH", location, data=piece, headers=headers)
        assert (answer.status_code, answer.headers["Range"]) == (202, f"0-{last}")
        location = answer.headers["Location"]
    done = registry("PUT", f"{location}&digest={digest_of(content)}")
    assert done.status_code == 201, done.text
    assert registry("GET", f"/v2/{name}/blobs/{digest_of(content)}").content == content


def test_a_streamed_upload_larger_than_a_part_of_s3(registry: Running, name: str) -> None:
    content = bytes(range(256)) * (11 * MEBIBYTE // 256) + b"the rest"
    slices = (content[at : at + MEBIBYTE] for at in range(0, len(content), MEBIBYTE))
    sent = registry("PATCH", registry.begin(name), data=slices)
    assert sent.headers["Range"] == f"0-{len(content) - 1}"
    done = registry("PUT", f"{sent.headers['Location']}&digest={digest_of(content)}")
    assert done.status_code == 201, done.text
    assert digest_of(registry("GET", f"/v2/{name}/blobs/{digest_of(content)}").content) == digest_of(content)


def test_an_upload_goes_on_at_another_replica(registry: Running, replica: Running, name: str) -> None:
    sent = registry("PATCH", registry.begin(name), data=b"first, ")
    there = sent.headers["Location"].replace(registry.url, replica.url)
    resumed = replica("GET", there)
    assert (resumed.status_code, resumed.headers["Range"]) == (204, "0-6")
    sent = replica("PATCH", resumed.headers["Location"], data=b"second")
    assert sent.headers["Range"] == "0-12"
    done = replica("PUT", f"{sent.headers['Location']}&digest={digest_of(b'first, second')}")
    assert done.status_code == 201, done.text


def test_a_piece_that_is_sent_twice_is_refused(registry: Running, name: str, released: Released) -> None:
    location = registry.begin(name)
    assert registry("PATCH", location, data=b"piece").status_code == 202
    again = registry("PATCH", location, data=b"piece")
    assert said(again) == released((404, "BLOB_UPLOAD_INVALID"), (416, "RANGE_INVALID"))


def test_a_piece_that_leaves_a_gap_is_refused(registry: Running, name: str, released: Released) -> None:
    """2.8 does not read the range; what is missing shows in the digest there."""
    location = registry.begin(name)
    gap = registry("PATCH", location, data=b"piece", headers={"Content-Range": "7-11"})
    assert said(gap) == released((202, ""), (416, "RANGE_INVALID"))


@pytest.mark.parametrize(
    ("query", "code"),
    [("", "DIGEST_INVALID"), ("&digest=nonsense", "DIGEST_INVALID"), (f"&digest={NONE}", "DIGEST_INVALID")],
)
def test_a_wrong_digest_is_refused(registry: Running, name: str, query: str, code: str) -> None:
    refused = registry("PUT", registry.begin(name) + query, data=b"this")
    assert said(refused) == (400, code)
    assert registry("HEAD", f"/v2/{name}/blobs/{NONE}").status_code == 404
    assert registry("HEAD", f"/v2/{name}/blobs/{digest_of(b'this')}").status_code == 404


def test_an_upload_that_is_given_up_is_gone(registry: Running, name: str) -> None:
    location = registry("PATCH", registry.begin(name), data=b"x").headers["Location"]
    assert registry("DELETE", location).status_code == 204
    for method in ("GET", "PATCH", "DELETE"):
        assert said(registry(method, location)) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_a_finished_upload_is_gone(registry: Running, name: str) -> None:
    location = registry.begin(name)
    finish = f"{location}&digest={digest_of(b'done')}"
    assert registry("PUT", finish, data=b"done").status_code == 201
    assert said(registry("PUT", finish, data=b"done")) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_an_upload_that_was_not_signed_here_is_refused(registry: Running, name: str) -> None:
    location = registry.begin(name)
    forged = location.partition("?")[0] + "?_state=bm9uc2Vuc2U="
    assert said(registry("PATCH", forged, data=b"x")) == (404, "BLOB_UPLOAD_INVALID")
    elsewhere = location.replace(name, f"{name}/other")
    assert said(registry("PATCH", elsewhere, data=b"x")) == (404, "BLOB_UPLOAD_INVALID")


def test_uploads_to_names_that_are_none_are_refused(registry: Running) -> None:
    assert registry("POST", "/v2/UPPER/blobs/uploads/").status_code == 404
    assert registry("POST", f"/v2/{'a' * 256}/blobs/uploads/").status_code == 500


# Fetching


def test_a_blob_comes_whole(registry: Running, name: str) -> None:
    digest = registry.push(name, b"0123456789")
    for method, body in (("GET", b"0123456789"), ("HEAD", b"")):
        answer = registry(method, f"/v2/{name}/blobs/{digest}")
        assert (answer.status_code, answer.content) == (200, body)
        headers = {each: answer.headers[each] for each in ("Content-Length", "Content-Type", "Accept-Ranges")}
        assert headers == {
            "Content-Length": "10",
            "Content-Type": "application/octet-stream",
            "Accept-Ranges": "bytes",
        }
        assert answer.headers["Docker-Content-Digest"] == digest
        assert answer.headers["Etag"] == f'"{digest}"'


@pytest.mark.parametrize(
    ("asked", "told", "content"),
    [
        ("bytes=2-4", "bytes 2-4/10", b"234"),
        ("bytes=-3", "bytes 7-9/10", b"789"),
        ("bytes=5-", "bytes 5-9/10", b"56789"),
        ("bytes=0-", "bytes 0-9/10", b"0123456789"),
        ("bytes=8-100", "bytes 8-9/10", b"89"),
    ],
)
def test_a_part_of_a_blob_can_be_fetched(
    registry: Running, name: str, asked: str, told: str, content: bytes
) -> None:
    digest = registry.push(name, b"0123456789")
    part = registry("GET", f"/v2/{name}/blobs/{digest}", headers={"Range": asked})
    assert (part.status_code, part.content, part.headers["Content-Range"]) == (206, content, told)


@pytest.mark.parametrize("asked", ["bytes=20-30", "bytes=4-2", "bytes=abc"])
def test_a_range_that_is_none_brings_nothing(
    registry: Running, name: str, asked: str, released: Released
) -> None:
    """2.8 announces the length of the whole and then sends nothing, so the client sees a cut connection."""
    path = f"/v2/{name}/blobs/{registry.push(name, b'0123456789')}"
    if released("a cut connection", "416") == "a cut connection":
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            registry("GET", path, headers={"Range": asked})
    else:
        assert registry("GET", path, headers={"Range": asked}).status_code == 416


def test_several_ranges_come_as_several_parts(registry: Running, name: str) -> None:
    digest = registry.push(name, b"0123456789")
    parts = registry("GET", f"/v2/{name}/blobs/{digest}", headers={"Range": "bytes=0-1,3-4"})
    assert parts.status_code == 206
    assert parts.headers["Content-Type"].startswith("multipart/byteranges")


def test_whoever_asks_for_several_ranges_is_told_what_came(registry: Running, name: str) -> None:
    """A client that can read parts can read the whole: the status says which it is (RFC 9110, 14.2)."""
    path = f"/v2/{name}/blobs/{registry.push(name, b'0123456789')}"
    answer = registry("GET", path, headers={"Range": "bytes=0-1,3-4"})
    if answer.status_code == 200:
        assert answer.content == b"0123456789"
    else:
        assert (answer.status_code, b"\r\n\r\n34\r\n" in answer.content) == (206, True)


def test_a_blob_that_the_client_has_is_not_sent_again(registry: Running, name: str) -> None:
    digest = registry.push(name, b"cached")
    known = registry("GET", f"/v2/{name}/blobs/{digest}", headers={"If-None-Match": f'"{digest}"'})
    assert (known.status_code, known.content) == (304, b"")


def test_a_blob_belongs_to_its_repository(registry: Running, name: str) -> None:
    digest = registry.push(name, b"of one")
    for path in (f"/v2/{name}/other/blobs/{digest}", f"/v2/{name}/blobs/{NONE}"):
        assert said(registry("GET", path)) == (404, "BLOB_UNKNOWN")
        assert registry("HEAD", path).status_code == 404
    assert said(registry("GET", f"/v2/{name}/blobs/sha256:00")) == (400, "DIGEST_INVALID")


def test_a_blob_is_mounted_from_another_repository(registry: Running, name: str) -> None:
    digest = registry.push(name, b"shared")
    uploads = f"/v2/{name}/other/blobs/uploads/"
    mounted = registry("POST", f"{uploads}?mount={digest}&from={name}")
    assert mounted.status_code == 201
    assert mounted.headers["Location"] == f"{registry.url}/v2/{name}/other/blobs/{digest}"
    assert mounted.headers["Docker-Content-Digest"] == digest
    assert registry("GET", f"/v2/{name}/other/blobs/{digest}").content == b"shared"
    for query in (f"mount={NONE}&from={name}", f"mount={digest}&from=no/where", f"mount={digest}"):
        begun = registry("POST", f"/v2/{name}/third/blobs/uploads/?{query}")
        assert begun.status_code == 202, query
        assert begun.headers["Range"] == "0-0"


def test_methods_that_a_blob_does_not_have(registry: Running, name: str) -> None:
    answer = registry("POST", f"/v2/{name}/blobs/{NONE}")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "DELETE, GET, HEAD")


def test_a_deleted_blob_is_gone_here_only(registry: Running, name: str) -> None:
    digest = registry.push(name, b"short-lived")
    registry("POST", f"/v2/{name}/other/blobs/uploads/?mount={digest}&from={name}")
    gone = registry("DELETE", f"/v2/{name}/blobs/{digest}")
    assert (gone.status_code, gone.content) == (202, b"")
    for method in ("GET", "DELETE"):
        again = registry(method, f"/v2/{name}/blobs/{digest}")
        assert (again.status_code, code_of(again)) == (404, "BLOB_UNKNOWN")
    assert registry("GET", f"/v2/{name}/other/blobs/{digest}").content == b"short-lived"
