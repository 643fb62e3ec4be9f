"""Looks for secrets where none may be: in every form that they may take, in every place that a run leaves."""

import base64
import binascii
import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, quote_plus

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from tests.e2e.program import Ran

SHORTEST = 12  # bytes: anything shorter would be found by chance
_PEM_KEY = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s(.*?)\s-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL
)
_BCRYPT = re.compile(rb"\$2[aby]\$\d\d\$([./A-Za-z0-9]{53})")
# What may stand between the parts of one secret: escape sequences, line breaks, JSON's line breaks.
_BETWEEN = re.compile(rb"\x1b\[[0-9;:?<=>]*[ -/]*[@-~]|\\+[nrt]|\s+")
SAMPLE_S = 0.004
LONGEST_WATCH_S = 900


@dataclass(frozen=True, slots=True)
class Leak:
    """Names only: a failing test must not print what it guards."""

    place: str
    secret: str
    form: str


def forms(secret: bytes) -> dict[str, set[bytes]]:
    """The needles of a secret by the name of the form; raises ValueError for one that is too short."""
    if len(secret) < SHORTEST:
        raise ValueError(f"{len(secret)} bytes are too few to be looked for")
    text = secret.decode("utf-8", "surrogateescape")
    found = {
        "raw": {secret},
        "hex": {binascii.hexlify(secret), binascii.hexlify(secret).upper()},
        "URL": set(_url(secret)),
        "JSON": set(_json(text)),
        "repr": {each for shown in (repr(text)[1:-1], repr(secret)[2:-1]) for each in _with_json(shown)},
    }
    for offset in range(3):
        plain = _base64(secret, offset)
        found[f"base64+{offset}"] = {plain, plain.translate(bytes.maketrans(b"+/", b"-_"))}
    return found


def _base64(secret: bytes, offset: int) -> bytes:
    """What of the base64 text is the secret's alone when `offset` bytes (mod 3) stand before it."""
    encoded = base64.b64encode(bytes(offset) + secret).rstrip(b"=")
    is_shared = (offset + len(secret)) % 3 != 0
    return encoded[(0, 2, 3)[offset] : len(encoded) - is_shared]


def _url(secret: bytes) -> Iterator[bytes]:
    for escaped in (quote(secret), quote(secret, safe=""), quote_plus(secret)):
        yield escaped.encode()
        yield re.sub("%[0-9A-F]{2}", lambda hexes: hexes[0].lower(), escaped).encode()


def _json(text: str) -> Iterator[bytes]:
    """Once and twice escaped, with and without ASCII only, and with the slash escaped as some writers do."""
    for is_ascii in (True, False):
        once = json.dumps(text, ensure_ascii=is_ascii)[1:-1]
        twice = json.dumps(once, ensure_ascii=is_ascii)[1:-1]
        for escaped in (once, once.replace("/", "\\/"), twice):
            yield escaped.encode("utf-8", "surrogateescape")


def _with_json(shown: str) -> Iterator[bytes]:
    yield shown.encode("utf-8", "surrogateescape")
    yield from _json(shown)


def parts(name: str, value: bytes) -> dict[str, bytes]:
    """What must not be seen of a Secret's value, by a name: keys and hashes in it, else the whole value."""
    found: dict[str, bytes] = {}
    for match in _PEM_KEY.finditer(value):
        found |= {f"{name}, {part}": data for part, data in _key_parts(match[0], match[1].split())}
    for number, match in enumerate(_BCRYPT.finditer(value), 1):
        found[f"{name}, hash {number}"] = match[1]
    return found or {name: value.strip()}


def _key_parts(pem: bytes, lines: list[bytes]) -> Iterator[tuple[str, bytes]]:
    """Each full line of the PEM body and its bytes, but for those that only hold the public key."""
    key = load_pem_private_key(pem, None)
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for number, line in enumerate(lines, 1):
        data = base64.b64decode(line)
        if len(line) == len(lines[0]) and data not in public:
            yield f"line {number}", line
            yield f"bytes of line {number}", data
    if isinstance(key, EllipticCurvePrivateKey):
        yield "scalar", key.private_numbers().private_value.to_bytes((key.key_size + 7) // 8, "big")


class Evidence:
    """Everything that runs have left, by place; kept in memory, for `undo` takes some of it away."""

    def __init__(self) -> None:
        self._places: list[tuple[str, bytes]] = []

    def add(self, place: str, data: bytes | str) -> None:
        self._places.append((place, data if isinstance(data, bytes) else data.encode()))

    def add_run(self, name: str, ran: Ran) -> None:
        self.add(f"{name}: stdout", ran.out)
        self.add(f"{name}: stderr", ran.err)

    def add_tree(self, name: str, directory: Path) -> None:
        """Names and contents of all files below."""
        for path in sorted(directory.rglob("*")):
            place = f"{name}: {path.relative_to(directory)}"
            self.add(place, str(path))
            if path.is_file():
                self.add(place, path.read_bytes())

    def text(self, place: str) -> bytes:
        return b"".join(data for each, data in self._places if each == place)

    def leaks(self, secrets: Mapping[str, bytes]) -> list[Leak]:
        found = set()
        needles = {name: forms(secret) for name, secret in secrets.items()}
        for place, data in self._places:
            for text in (data, _BETWEEN.sub(b"", data)):
                found |= {
                    Leak(place, name, form)
                    for name, by_form in needles.items()
                    for form, wanted in by_form.items()
                    if any(needle in text for needle in wanted)
                }
        return sorted(found, key=lambda leak: (leak.place, leak.secret, leak.form))


@dataclass
class ArgumentWatch:
    """Notes the arguments of all descendants of some processes while the `with` block runs."""

    roots: Iterable[int]
    seen: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._rounds = threading.Semaphore(0)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="argument watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join(60)

    def wait_for_a_round(self) -> None:
        """Until everything that runs now has been looked at."""
        while self._rounds.acquire(blocking=False):
            pass
        for _ in range(2):  # the first may have begun before
            assert self._rounds.acquire(timeout=60)

    def _watch(self) -> None:
        for _ in range(int(LONGEST_WATCH_S / SAMPLE_S)):
            for root in self.roots:
                self.seen.update(_arguments_below(root))
            self._rounds.release()
            if self._done.wait(SAMPLE_S):
                return


def _arguments_below(pid: int) -> Iterator[bytes]:
    """A process may end while it is looked at; the others are looked at all the same."""
    try:
        yield Path(f"/proc/{pid}/cmdline").read_bytes()
        children = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:
        return
    for child in children:
        yield from _arguments_below(child)
