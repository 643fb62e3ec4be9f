"""How plans, checks and problems look: shape and word first, colour last, foreign words never markup."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from textual.content import Content

from screens.table import HEAD_COLUMNS, TableRow, folded
from screens.view import Row, StepView
from screens.words import for_screen
from wizard.errors import Problem
from wizard.events import ChangeView, StepStatus, Verb, WaitProgress

GLYPHS = {
    "waiting": ("·", "$foreground-muted"),
    "running": ("▸", "$text-accent"),
    "passed": ("✓", "$text-success"),
    "done": ("✓", "$text-success"),
    "warning": ("!", "$text-warning"),
    "failed": ("✗", "$text-error"),
    "stopped": ("!", "$text-warning"),
    "skipped": ("–", "$foreground-muted"),
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
    Verb.KEEP: ("=", "$foreground-muted"),
    Verb.DELETE: ("-", "$text-error"),
}
BAR_COLUMNS = 20
HERE = "<<'EOF'"
SHORT_S, MINUTE_S = 9.95, 60.0
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


def plan_rows(view: StepView, now_s: float) -> list[TableRow]:
    """What will happen, and while it happens how far it is: a change keeps its row."""
    plan = view.plan
    rows = [_blocked(blocker) for blocker in (plan.blockers if plan else ())]
    rows += [_done_row(row, now_s) for row in view.changes]
    rows += [_planned_row(change) for change in view.planned]
    if plan is not None:
        rows += [
            TableRow(_head("?", "ask", "$text-warning"), Content(clean(consent.question)))
            for consent in plan.consents
        ]
        rows += [
            TableRow(
                _head(" ", "note", "$foreground-muted"), Content.styled(clean(note), "$foreground-muted")
            )
            for note in plan.notes
        ]
        if not rows:
            rest = "" if view.is_verified else "It is only verified."
            rows.append(
                TableRow(
                    _head("=", "keep", "$foreground-muted"),
                    Content.styled(f"Nothing to change. {rest}", "$foreground-muted"),
                )
            )
    return rows


def check_rows(view: StepView, now_s: float) -> list[TableRow]:
    """One row a check; a problem unfolds beneath it."""
    return [_state_row(row, now_s, passed="passed") for row in view.checks.values()]


def heading(view: StepView) -> Content:
    """Over the plan: how much of the run is behind, as a bar, while it goes on."""
    if not view.is_running:
        return Content("What is done" if view.changes else "What will happen")
    done, total = view.progress
    if not total:
        return Content("What is done")
    return Content("What is done  ") + _bar(done / total, "$text-accent") + f" {done} of {total}"


def wait_text(view: StepView, width: int, now_s: float) -> Content:
    """The wait that goes on: what is left of its time as a bar and a countdown, or nothing."""
    wait = view.wait
    if wait is None and view.queued_for:
        told = hung(f"… waiting for {view.queued_for}", width, "$text-accent")
        return told + f", {lasting(max(now_s - view.queued_s, 0.0))} so far"
    if wait is None:
        return Content("")
    passed = max(now_s - view.wait_began_s, 0.0)
    left = max(wait.deadline_s - passed, 0.0)
    detail = f": {wait.detail}" if isinstance(wait, WaitProgress) and wait.detail else ""
    told = hung(f"… waiting for {clean(wait.what)}{clean(detail)}", width, "$text-accent")
    bar = _bar(left / wait.deadline_s if wait.deadline_s else 0.0, "$text-accent")
    return told + "\n  " + bar + f" at most {lasting(left)} more, {lasting(passed)} so far"


def lasting(seconds: float) -> str:
    """Such as 0.4 s, 12 s, 3:05 min."""
    if seconds < SHORT_S:
        return f"{seconds:.1f} s"
    if seconds < MINUTE_S:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d} min"


def hung(text: str, width: int, style: str) -> Content:
    """A sentence with a glyph before it, wrapped under its first word."""
    glyph, _, words = text.partition(" ")
    return _hung(Content.styled(f"{glyph} ", style), Content.styled(clean(words), style), width)


def commands_text(commands: Sequence[str], width: int, prompt: str = "  $") -> Content:
    """A command a line; one too long goes on behind a backslash, so that it can be copied as it stands.

    What stands in a here-document is left as it is.
    """
    lines, is_document = list[str](), False
    for each in commands:
        if is_document or each.endswith(HERE):
            is_document = each != "EOF"
            lines.append(f"{prompt} {each}" if prompt else each)
        else:
            lines += _folded(clean(each), width, prompt)
    return Content("\n").join(Content(clean(line)) for line in lines)


def _folded(command: str, width: int, prompt: str) -> list[str]:
    """Broken between words only, never inside quotes; a single word may be wider than the screen."""
    lines = [prompt]
    for word in _WORD.findall(command):
        if len(lines[-1]) + 1 + len(word) + len(" \\") > width and lines[-1].strip("$ "):
            lines[-1] += " \\"
            lines.append("   ")
        lines[-1] += f" {word}" if lines[-1] else word
    return lines


def _blocked(problem: Problem) -> TableRow:
    return _with_problem(_head("✗", "blocked", "$text-error"), problem)


def _planned_row(change: ChangeView) -> TableRow:
    glyph, style = VERBS[change.verb]
    cost = (
        Content.styled("costs $", "$text-warning")
        if change.cost
        else Content.styled("free", "$foreground-muted")
    )
    return TableRow(
        _head(glyph, change.verb.value, style),
        _named(change.summary, change.name),
        cost,
        _cost(change.cost),
        opens=bool(change.command),
    )


def _done_row(row: Row, now_s: float) -> TableRow:
    return replace(_state_row(row, now_s, passed="done"), opens=bool(row.command))


def _state_row(row: Row, now_s: float, *, passed: str) -> TableRow:
    state = passed if row.state == "passed" else row.state
    glyph, style = GLYPHS.get(state, GLYPHS["waiting"])
    word = {"running": "doing" if passed == "done" else "checking"}.get(state, state)
    text = _named(row.title, row.name)
    if row.detail and row.problem is None:
        text += Content.styled(f" – {clean(row.detail)}", "$foreground-muted")
    elapsed = row.elapsed_s
    if state == "running":
        elapsed = max(now_s - row.began_s, 0.0)
    is_timed = state not in {"waiting", "skipped", "stopped"}
    tail = Content.styled(lasting(elapsed) if is_timed else "", "$foreground-muted")
    if row.problem is None:
        return TableRow(_head(glyph, word, style), text, tail)
    problem = row.problem
    return TableRow(_head(glyph, word, style), text, tail, lambda width: problem_text(problem, width))


def _with_problem(head: Content, problem: Problem) -> TableRow:
    told = for_screen(problem)
    rest = replace(told, what="")
    return TableRow(
        head,
        Content.styled(clean(told.what), "$text-error"),
        below=(lambda width: _reasons(rest, width)) if rest.why or rest.fix else None,
    )


def _reasons(problem: Problem, width: int) -> Content:
    parts = [_hung(Content(""), Content(clean(problem.why)), width)] if problem.why else []
    if problem.fix:
        parts.append(_hung(Content.styled("→ ", "bold"), Content.styled(clean(problem.fix), "bold"), width))
    return Content("\n").join(parts)


def _cost(cost: str) -> Callable[[int], Content] | None:
    if not cost:
        return None
    text = Content.styled(f"{cost[:1].upper()}{clean(cost[1:])}.", "$foreground-muted")
    return lambda width: Content("\n").join(folded(text, width))


def _named(text: str, name: str) -> Content:
    """The sentence, the name of the thing that it is about in bold."""
    text, name = clean(text), clean(name)
    before, found, after = text.partition(name) if name else (text, "", "")
    return Content(before) + Content.styled(found, "bold") + Content(after)


def _bar(share: float, style: str) -> Content:
    full = round(min(max(share, 0.0), 1.0) * BAR_COLUMNS)
    return Content.styled("█" * full, style) + Content.styled("░" * (BAR_COLUMNS - full), "$foreground-muted")


def _head(glyph: str, word: str, style: str) -> Content:
    return Content.styled(f"{glyph} {word:<{HEAD_COLUMNS - 2}}", style)


def _hung(head: Content, text: Content, width: int) -> Content:
    """The text wrapped beside its head, further lines under its beginning."""
    indent = head.cell_length
    first, *others = [
        line.rstrip()
        for part in text.split("\n", allow_blank=True)
        for line in part.wrap(max(width - indent, 20))
    ] or [Content("")]
    return Content("\n").join([head + first, *(Content(" " * indent) + line for line in others)])
