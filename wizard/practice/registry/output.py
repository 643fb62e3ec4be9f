"""The registry's log lines, in logrus's text form."""

import json
import re
import sys
import threading
import uuid
from datetime import UTC, datetime
from typing import Literal

Level = Literal["info", "warning", "error", "fatal"]

VERSION = "2.8.2+practice"
PLAIN = re.compile(r"[A-Za-z0-9._/@^+:-]+")
INSTANCE = str(uuid.uuid4())

_lock = threading.Lock()


def say(level: Level, message: str, **fields: object) -> None:
    """Field names are written with dots for double underscores."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    named = {name.replace("__", "."): str(value) for name, value in fields.items()}
    if level != "fatal":
        named |= {"instance.id": INSTANCE, "service": "registry", "version": VERSION}
    pairs = "".join(f" {name}={_quoted(value)}" for name, value in sorted(named.items()))
    write(f'time="{now}" level={level} msg={json.dumps(message)}{pairs}')


def write(line: str) -> None:
    with _lock:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()


def _quoted(value: str) -> str:
    return value if PLAIN.fullmatch(value) else json.dumps(value)
