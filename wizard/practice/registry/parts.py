"""Pages of lists, ranges of blobs and of uploads, and methods that a path does not have."""

import json
import re
from collections.abc import Sequence
from urllib.parse import urlencode

from wizard.practice.registry.errors import ApiError
from wizard.practice.registry.messages import Request, Response

JSON = {"Content-Type": "application/json; charset=utf-8"}
TEXT = {"Content-Type": "text/plain; charset=utf-8"}
RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def refused(request: Request, *methods: str) -> Response | None:
    """The answer to a method that is none of `methods`, which come in the order of their names."""
    if request.method in methods:
        return None
    return Response(405, {**TEXT, "Allow": ", ".join(methods)}, b"Method not allowed\n")


def page_of(
    request: Request,
    head: dict[str, str],
    key: str,
    items: Sequence[str],
    default: int | None = None,
    largest: int | None = None,
) -> Response:
    """What follows `last`, `n` of it; `default` and `largest` are limits of `n`, None: there is none."""
    text = request.query.get("n", "")
    is_number = text.isascii() and text.isdigit() and len(text) < 9
    if text and not (is_number and int(text) <= (largest or int(text))):
        raise ApiError(400, "PAGINATION_NUMBER_INVALID", "invalid number of results requested", {"n": text})
    limit = int(text) if text else default
    rest = [item for item in items if item > request.query.get("last", "")]
    page = rest if limit is None else rest[:limit]
    headers = dict(JSON)
    if page and len(page) < len(rest):
        query = urlencode({"last": page[-1], "n": limit})
        headers["Link"] = f'<{request.path}?{query}>; rel="next"'
    return Response(200, headers, json.dumps({**head, key: page}, separators=(",", ":")).encode() + b"\n")


def part_of(text: str, size: int) -> tuple[int, int] | Response | None:
    """First and one past the last byte; None for the whole, and for several ranges (RFC 9110, 14.2)."""
    if not text or "," in text:
        return None
    found = RANGE.fullmatch(text)
    if not found or not (found[1] or found[2]):
        return Response(416, dict(TEXT), b"invalid range\n")
    if not found[1]:
        return max(0, size - int(found[2])), size
    start, end = int(found[1]), min(int(found[2]) + 1 if found[2] else size, size)
    if start >= size:
        headers = {**TEXT, "Content-Range": f"bytes */{size}"}
        return Response(416, headers, b"invalid range: failed to overlap\n")
    return (start, end) if start < end else Response(416, dict(TEXT), b"invalid range\n")


def uploaded_range(request: Request, offset: int) -> None:
    """Checks the Content-Range of a chunked upload: `<first>-<last>`, without a unit; or raises ApiError."""
    text = request.headers.get("Content-Range")
    if text is None:
        return
    found = re.fullmatch(r"(\d+)-(\d+)", text)
    if not found or int(found[1]) != offset:
        raise ApiError(416, "RANGE_INVALID", "invalid content range")
    if int(found[2]) - int(found[1]) + 1 != request.length:
        raise ApiError(400, "SIZE_INVALID", "provided length did not match content length")
