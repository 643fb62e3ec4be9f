"""How plans, checks and problems look: shape and word first, colour last, foreign words never markup."""

import re
from collections.abc import Sequence

from textual.content import Content

from screens.view import Row, StepView
from screens.words import for_screen
from wizard.errors import Problem
from wizard.events import StepStatus, Verb, WaitProgress

GLYPHS = {
    "waiting": ("·", "$text-muted"),
    "running": ("▸", "$text-accent"),
    "passed": ("✓", "$text-success"),
    "done": ("✓", "$text-success"),
    "warning": ("!", "$text-warning"),
    "failed": ("✗", "$text-error"),
    "stopped": ("!", "$text-warning"),
    "skipped": ("–", "$text-muted"),
}
STATUS_GLYPHS = {
    StepStatus.WAITING: "·",
    StepStatus.DONE: "✓",
    StepStatus.CHANGED: "!",
    StepStatus.MISSING: "!",
    StepStatus.INTERRUPTED: "!",
    StepStatus.FAILED: "✗",
    StepStatus.UNDONE: "·",
}
STANDINGS = {
    StepStatus.CHANGED: "! Something has changed since this was verified; it has to be verified again.",
    StepStatus.MISSING: "! Something of this step is gone; it has to be made again.",
    StepStatus.INTERRUPTED: "! This step was interrupted. What was done is known; it goes on from there.",
    StepStatus.UNDONE: "This step was taken back. It can be done again.",
}
VERBS = {
    Verb.CREATE: ("+", "$text-success"),
    Verb.CHANGE: ("~", "$text-warning"),
    Verb.ADOPT: ("=", "$text-warning"),
    Verb.KEEP: ("=", "$text-muted"),
    Verb.DELETE: ("-", "$text-error"),
}
WORD_COLUMNS = 11
_WORD = re.compile(r"""(?:'[^']*'|"[^"]*"|[^\s'"])+""")


def clean(text: str) -> str:
    """The text without control characters."""
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)


def problem_text(problem: Problem, width: int, indent: int = 0) -> Content:
    """What in the error colour, why plainly, the fix behind an arrow."""
    problem = for_screen(problem)
    parts = [
        _hung(Content.styled("✗ ", "$text-error"), Content.styled(clean(problem.what), "$text-error"), width)
    ]
    if problem.why:
        parts.append(_hung(Content("  "), Content(clean(problem.why)), width))
    if problem.fix:
        parts.append(_hung(Content.styled("→ ", "bold"), Content.styled(clean(problem.fix), "bold"), width))
    lines = [line for part in parts for line in part.split("\n", allow_blank=True)]
    return Content("\n").join(Content(" " * indent) + line for line in lines)


def plan_text(view: StepView, width: int) -> Content:
    """What will happen, and while it happens how far it is: a change keeps its line."""
    plan = view.plan
    lines = [problem_text(blocker, width) for blocker in (plan.blockers if plan else ())]
    states = {row.title: row for row in view.changes}
    planned = [] if plan is None else [change for change in plan.changes if change.summary not in states]
    lines += [_row(row, width, passed="done") for row in view.changes]
    for change in planned:
        glyph, style = VERBS[change.verb]
        text = Content(clean(change.summary))
        if change.cost:
            text += Content.styled(f" ({clean(change.cost)})", "$text-muted")
        lines.append(_hung(_head(glyph, change.verb.value, style), text, width))
    if plan is not None:
        lines += [
            _hung(_head("?", "ask", "$text-warning"), Content(clean(consent.question)), width)
            for consent in plan.consents
        ]
        lines += [
            _hung(_head(" ", "note", "$text-muted"), Content.styled(clean(note), "$text-muted"), width)
            for note in plan.notes
        ]
        if not lines:
            rest = "." if view.is_verified else ": it is only verified."
            lines.append(Content.styled(f"= Nothing to change{rest}", "$text-muted"))
    return Content("\n").join(lines)


def rows_text(rows: Sequence[Row], width: int) -> Content:
    """One line a row; a problem unfolds beneath it."""
    return Content("\n").join(_row(row, width) for row in rows)


def wait_text(view: StepView, width: int) -> Content:
    """The countdown of the wait that goes on, or nothing."""
    wait = view.wait
    if wait is None:
        return Content("")
    left = wait.deadline_s - (wait.elapsed_s if isinstance(wait, WaitProgress) else 0.0)
    detail = f": {wait.detail}" if isinstance(wait, WaitProgress) and wait.detail else ""
    text = f"waiting for {wait.what}, at most {left:.0f} s more{detail}"
    return _hung(Content.styled("… ", "$text-accent"), Content.styled(clean(text), "$text-accent"), width)


def hung(text: str, width: int, style: str) -> Content:
    """A sentence with a glyph before it, wrapped under its first word."""
    glyph, _, words = text.partition(" ")
    return _hung(Content.styled(f"{glyph} ", style), Content.styled(clean(words), style), width)


def commands_text(commands: Sequence[str], width: int) -> Content:
    """A command a line; one too long goes on behind a backslash, so that it can be copied as it stands."""
    return Content("\n").join(Content(line) for each in commands for line in _folded(clean(each), width))


def _folded(command: str, width: int) -> list[str]:
    """Broken between words only, never inside quotes; a single word may be wider than the screen."""
    lines = ["  $"]
    for word in _WORD.findall(command):
        if len(lines[-1]) + 1 + len(word) + len(" \\") > width and lines[-1].strip("$ "):
            lines[-1] += " \\"
            lines.append("   ")
        lines[-1] += f" {word}"
    return lines


def _row(row: Row, width: int, passed: str = "passed") -> Content:
    state = passed if row.state == "passed" else row.state
    glyph, style = GLYPHS.get(state, GLYPHS["waiting"])
    word = {"waiting": "", "running": "doing" if passed == "done" else "checking"}.get(state, state)
    text = Content(clean(row.title))
    if row.detail and row.problem is None:
        text += Content.styled(f" – {clean(row.detail)}", "$text-muted")
    line = _hung(_head(glyph, word, style), text, width)
    if row.problem is None:
        return line
    return line + "\n" + problem_text(row.problem, width - WORD_COLUMNS, WORD_COLUMNS)


def _head(glyph: str, word: str, style: str) -> Content:
    return Content.styled(f"{glyph} {word:<{WORD_COLUMNS - 2}}", style)


def _hung(head: Content, text: Content, width: int) -> Content:
    """The text wrapped beside its head, further lines under its beginning."""
    indent = head.cell_length
    first, *others = [
        line.rstrip()
        for part in text.split("\n", allow_blank=True)
        for line in part.wrap(max(width - indent, 20))
    ] or [Content("")]
    return Content("\n").join([head + first, *(Content(" " * indent) + line for line in others)])
