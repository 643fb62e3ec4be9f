"""What a screen shows, as text: its rows, and beneath each of them the runs of style in it.

`make snapshots` writes tests/pilot/snapshots/ anew; with a directory as its argument the module also puts an
SVG of every picture there, to be looked at.
"""

import io
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.pilot import Pilot

PATIENCE_S = 10.0
KEPT = Path(__file__).parent / "snapshots"
WRITE = "SNAPSHOTS_WRITTEN"
PICTURES = "SNAPSHOTS_PICTURED"
ATTRIBUTES = ("bold", "dim", "italic", "underline", "reverse", "strike")


class Album:
    """One file of pictures, each under its name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._parts: list[str] = []
        self._path = KEPT / f"{name}.txt"
        self._kept = self._path.read_text(encoding="utf-8") if self._path.exists() else ""
        self._patience_s = 0.0 if os.environ.get(WRITE) else PATIENCE_S

    async def take(self, pilot: Pilot[int], name: str) -> None:
        """The screen once it looks as it is to; on a busy machine what was asked for takes its time."""
        app = pilot.app
        deadline = time.monotonic() + self._patience_s
        while not self._is_kept(part := f"=== {name}\n{drawn(app)}"):
            if time.monotonic() >= deadline:
                self._patience_s = 0.0
                break
            await pilot.pause(0.05)
        self._parts.append(part)
        if directory := os.environ.get(PICTURES):
            svg = app.export_screenshot(title=f"{self._name} {name}", simplify=True)
            (Path(directory) / f"{self._name}-{name}.svg").write_text(svg, encoding="utf-8")

    def close(self) -> None:
        """Compares with what is kept, or keeps it."""
        text = "\n".join(self._parts) + "\n"
        if os.environ.get(WRITE):
            KEPT.mkdir(exist_ok=True)
            self._path.write_text(text, encoding="utf-8")
            return
        assert text.splitlines() == self._kept.splitlines(), "look at it; if it is meant so: make snapshots"

    def _is_kept(self, part: str) -> bool:
        return f"{part}\n" in self._kept


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
