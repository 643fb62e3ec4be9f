"""base64url without padding, strictly (RFC 7515, section 2), and timestamps (RFC 3339)."""

import base64
import re
from datetime import UTC, datetime

ALPHABET = re.compile(r"[A-Za-z0-9_-]*")


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: object) -> bytes:
    """Raises ValueError for anything but unpadded base64url text."""
    if not isinstance(text, str) or not ALPHABET.fullmatch(text) or len(text) % 4 == 1:
        raise ValueError("not base64url-encoded, or padded")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def now() -> datetime:
    return datetime.now(UTC)


def timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
