"""Finds the files that ship beside the code, in a wheel and in a checkout."""

from pathlib import Path


def assets() -> Path:
    """The directory of styles, help texts and example answers."""
    here = Path(__file__).resolve().parent
    packed = here / "assets"
    return packed if packed.is_dir() else here.parent / "assets"


def read_asset(name: str) -> str:
    """The text of `assets/NAME`; raises FileNotFoundError."""
    return (assets() / name).read_text(encoding="utf-8")
