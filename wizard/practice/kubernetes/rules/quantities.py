"""Quantities such as `500m` and `1Gi`."""

import re
from decimal import Decimal

PATTERN = re.compile(r"^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_EXPONENT = re.compile(r"[eE][-+]?[0-9]{1,2}")
_DECIMAL = ("E", "P", "T", "G", "M", "k", "", "m", "u", "n")
_BINARY = ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki")
_SUFFIXES = {suffix: Decimal(1000) ** (6 - place) for place, suffix in enumerate(_DECIMAL)}
_SUFFIXES |= {suffix: Decimal(1024) ** (6 - place) for place, suffix in enumerate(_BINARY)}


def is_valid(text: str) -> bool:
    match = PATTERN.match(text)
    if match is None or not _NUMBER.fullmatch(match[1]) or len(match[1]) > 40:
        return False
    return match[2] in _SUFFIXES or _EXPONENT.fullmatch(match[2]) is not None


def amount(text: str) -> Decimal:
    """In base units; a text that is no quantity counts as zero."""
    match = PATTERN.match(text)
    if match is None or not is_valid(text):
        return Decimal(0)
    number, suffix = match.groups()
    if suffix in _SUFFIXES:
        return Decimal(number) * _SUFFIXES[suffix]
    return Decimal(f"{number}{suffix}")


def text(value: Decimal) -> str:
    """The plain form: whole numbers as they are, fractions in thousandths."""
    if value == value.to_integral_value():
        return str(int(value))
    return f"{int((value * 1000).to_integral_value())}m"


def canonical(value: str) -> str:
    """As the server stores it: whole, with the largest suffix that allows it (`1.5Gi` is `1536Mi`)."""
    match = PATTERN.match(value)
    if match is None or match[2] not in _SUFFIXES:
        return value
    number = amount(value)
    if number == 0:
        return "0"
    is_binary = match[2].endswith("i") and abs(number) >= 1024
    return binary(number) if is_binary else _shortest(number, _DECIMAL) or value


def binary(number: Decimal) -> str:
    """With the largest suffix of a power of two."""
    return _shortest(number, (*_BINARY, "")) if number else "0"


def _shortest(number: Decimal, suffixes: tuple[str, ...]) -> str:
    for suffix in suffixes:
        count = number / _SUFFIXES[suffix]
        if count == count.to_integral_value():
            return f"{int(count)}{suffix}"
    return ""
