"""What a screen shows, as text: its rows, and beneath each of them the runs of style in it.

`make snapshots` writes tests/pilot/snapshots/ anew; with a directory as its argument the module also puts an
SVG of every picture there, to be looked at.
"""

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.app import App

KEPT = Path(__file__).parent / "snapshots"
WRITE = "SNAPSHOTS_WRITTEN"
PICTURES = "SNAPSHOTS_PICTURED"
ATTRIBUTES = ("bold", "dim", "italic", "underline", "reverse", "strike")


class Album:
    """One file of pictures, each under its name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._parts: list[str] = []

    def take(self, app: App[int], name: str) -> None:
        self._parts.append(f"=== {name}\n{drawn(app)}")
        if directory := os.environ.get(PICTURES):
            svg = app.export_screenshot(title=f"{self._name} {name}", simplify=True)
            (Path(directory) / f"{self._name}-{name}.svg").write_text(svg, encoding="utf-8")

    def close(self) -> None:
        """Compares with what is kept, or keeps it."""
        text = "\n".join(self._parts) + "\n"
        path = KEPT / f"{self._name}.txt"
        if os.environ.get(WRITE):
            KEPT.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        kept = path.read_text(encoding="utf-8") if path.exists() else ""
        assert text.splitlines() == kept.splitlines(), "look at it; if it is meant so: make snapshots"


def drawn(app: App[int]) -> str:
    """Rows of text, each followed by its runs of style where there are any."""
    width, height = app.size
    console = Console(
        width=width,
        height=height,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        record=True,
        legacy_windows=False,
    )
    screens = app._background_screens
    console.print(app.screen._compositor.render_update(full=True, screen_stack=screens, simplify=True))
    rows = Segment.split_lines(segment for segment in console._record_buffer if not segment.control)
    return "\n".join(line for row in rows for line in _row(row))


def _row(row: list[Segment]) -> Iterator[str]:
    text = "".join(segment.text for segment in row)
    if not text:
        return
    yield f"|{text.rstrip()}"
    runs: list[tuple[int, str]] = []
    column = 0
    for segment in row:
        told = _style(segment.style)
        if not runs or runs[-1][1] != told:
            runs.append((column, told))
        column += segment.cell_length
    yield "    " + "; ".join(f"{start} {told}" for start, told in runs)


def _style(style: Style | None) -> str:
    if style is None:
        return "plain"
    words = [name for name in ATTRIBUTES if getattr(style, name)]
    for prefix, color in (("", style.color), ("on ", style.bgcolor)):
        if color is not None and not color.is_default:
            words.append(f"{prefix}{color.get_truecolor().hex}")
    return " ".join(words) or "plain"


def main() -> int:
    os.environ[WRITE] = "1"
    if len(sys.argv) > 1:
        Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
        os.environ[PICTURES] = str(Path(sys.argv[1]).resolve())
    return pytest.main([str(Path(__file__).parent / "test_snapshots.py"), "-n", "4"])


if __name__ == "__main__":
    sys.exit(main())
