"""Makes the README's command reference from the parser itself: `make help-text`."""

import argparse
import os
from pathlib import Path

from wizard.cli import parser

README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN, END = "<!-- help: made by `make help-text` -->", "<!-- end of help -->"


def every_help() -> str:
    """The help of the program and of each command, 80 columns wide."""
    os.environ["COLUMNS"] = "80"
    blocks = [f"```\n{each.format_help().strip()}\n```" for each in _parsers(parser())]
    return "\n\n".join(blocks)


def _parsers(top: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    found = [top]
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                found += _parsers(each)
    return found


def with_help(text: str) -> str:
    """The README's text with the reference made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{every_help()}\n\n{END}{after}"


if __name__ == "__main__":
    README.write_text(with_help(README.read_text(encoding="utf-8")), encoding="utf-8")
