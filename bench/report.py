"""The table, for people and for programs; no path of the machine gets into it."""

import datetime as dt
import json
import os
import platform
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from bench.result import Row, Unit

HEAD = ("measure", "median", "aim", "met", "runs", "behind it")
BEGIN, END = "<!-- figures: made by `make bench` -->", "<!-- end of figures -->"
# An absolute path with at least two parts, but not the rest of a URL.
PATH = re.compile(r"(?<![\w:/.>])/[\w.+@~-]+(?:/[\w.+@~-]+)+/?")


def surroundings() -> dict[str, Any]:
    """What the numbers depend on; `load` is the average of the last minute before the run."""
    return {
        "date": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load": round(os.getloadavg()[0], 2),
    }


def markdown(around: dict[str, Any], rows: Sequence[Row]) -> str:
    machine = (
        f"{around['system']}, {around['cores']} cores ({around['processor']}), {around['memory_gib']} GiB"
    )
    lines = [
        "# Measured by `make bench`",
        "",
        f"{around['date']}, {around['python']}, {machine}, load {around['load']} before the run.",
        "Compare the ratios: both sides of each were taken within this run. Seconds depend on the machine.",
        "",
        _line(HEAD),
        _line(["---"] * len(HEAD)),
        *(_line(_cells(row)) for row in rows),
    ]
    return "\n".join(lines) + "\n"


def as_json(around: dict[str, Any], rows: Sequence[Row]) -> str:
    found = [
        {
            "measure": row.measure.name,
            "unit": row.measure.unit.value,
            "median": None if row.value is None else round(row.value, 3),
            "aim": row.measure.aim,
            "met": row.is_met,
            "runs": row.runs,
            "detail": without_paths(row.detail),
            "reason": without_paths(row.reason),
        }
        for row in rows
    ]
    return json.dumps({**around, "rows": found}, indent=2) + "\n"


def into_readme(text: str, table: str) -> str:
    """The README's text with the figures made anew; ValueError where it has no one place for them."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in before + after:
        raise ValueError(f"README.md needs {BEGIN} and, after it, {END}: once each.")
    figures = table.partition("\n\n")[2]
    return f"{before}{BEGIN}\n\n{figures}\n{END}{after}"


def without_paths(text: str) -> str:
    return PATH.sub("[path]", text)


def _cells(row: Row) -> list[str]:
    met = {True: "yes", False: "NO", None: "-"}[row.is_met]
    aim = "-" if row.measure.aim is None else f"{row.measure.aim:g} {row.measure.unit.value}"
    if row.value is None:
        return [row.measure.name, "not measured", aim, met, "0", without_paths(row.reason)]
    digits = 0 if row.measure.unit is Unit.MEBIBYTES else 2
    value = f"{row.value:.{digits}f} {row.measure.unit.value}"
    return [row.measure.name, value, aim, met, str(row.runs), without_paths(row.detail)]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "/").split()) for cell in cells) + " |"


def _processor() -> str:
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or "unknown processor"
    found = re.search(r"^model name\s*:\s*(.+)$", told, re.MULTILINE)
    return found.group(1) if found else "unknown processor"
