"""Quantities such as `500m` and `1Gi`."""

from decimal import Decimal, InvalidOperation

from wizard.practice.kubernetes.decode import QUANTITY

_SUFFIXES = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}


def amount(text: str) -> Decimal:
    """In base units; a text that decoding let through but that is no number counts as zero."""
    match = QUANTITY.match(text)
    if match is None:
        return Decimal(0)
    number, suffix = match.groups()
    try:
        if suffix[:1] in ("e", "E") and suffix[1:]:
            return Decimal(f"{number}{suffix}")
        return Decimal(number) * _SUFFIXES.get(suffix, Decimal(0))
    except InvalidOperation:
        return Decimal(0)


def text(value: Decimal) -> str:
    """The plain form: whole numbers as they are, fractions in thousandths."""
    if value == value.to_integral_value():
        return str(int(value))
    return f"{int((value * 1000).to_integral_value())}m"
