"""How plans, checks and problems look: shape and word first, colour last, foreign words never markup."""

from textual.content import Content

from screens.view import Row, StepView
from wizard.errors import Problem
from wizard.events import StepStatus, Verb, WaitProgress

GLYPHS = {
    "waiting": ("·", "$text-muted"),
    "running": ("▸", "$text-accent"),
    "passed": ("✓", "$text-success"),
    "warning": ("!", "$text-warning"),
    "failed": ("✗", "$text-error"),
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
VERBS = {
    Verb.CREATE: ("+", "$text-success"),
    Verb.CHANGE: ("~", "$text-warning"),
    Verb.ADOPT: ("=", "$text-warning"),
    Verb.KEEP: ("=", "$text-muted"),
    Verb.DELETE: ("-", "$text-error"),
}


def clean(text: str) -> str:
    """The text without control characters."""
    return "".join(c if c.isprintable() or c == "\n" else "�" for c in text)


def problem_text(problem: Problem, indent: str = "") -> Content:
    """What in the error colour, why plainly, the fix behind an arrow."""
    parts = [Content.styled(clean(problem.what), "$text-error")]
    if problem.why:
        parts.append(Content(clean(problem.why)))
    if problem.fix:
        parts.append(Content.styled(f"→ {clean(problem.fix)}", "bold"))
    return Content("\n").join(_indented(part, indent) for part in parts)


def _indented(content: Content, indent: str) -> Content:
    return Content("\n").join(Content(indent) + line for line in content.split("\n", allow_blank=True))


def plan_text(view: StepView) -> Content:
    """What will happen, before it happens."""
    lines: list[Content] = []
    if view.plan is None:
        return Content("")
    for change in view.plan.changes:
        glyph, style = VERBS[change.verb]
        line = Content.styled(f"{glyph} {change.verb.value:<7}", style) + Content(clean(change.summary))
        lines.append(line + Content.styled(f"  {clean(change.cost)}" if change.cost else "", "$text-muted"))
    lines += [
        Content.styled("? ask    ", "$text-warning") + Content(clean(consent.question))
        for consent in view.plan.consents
    ]
    lines += [problem_text(blocker) for blocker in view.plan.blockers]
    lines += [Content.styled(clean(note), "$text-muted") for note in view.plan.notes]
    if not lines:
        lines.append(Content.styled("= Nothing to change: it is as it should be.", "$text-muted"))
    return Content("\n").join(lines)


def rows_text(rows: list[Row]) -> Content:
    """One line a row; a problem unfolds beneath it."""
    lines: list[Content] = []
    for row in rows:
        glyph, style = GLYPHS.get(row.state, GLYPHS["waiting"])
        line = Content.styled(f"{glyph} {_word(row):<9}", style) + Content(clean(row.title))
        if row.detail and row.problem is None:
            line += Content.styled(f" – {clean(row.detail)}", "$text-muted")
        lines.append(line)
        if row.problem is not None:
            lines.append(problem_text(row.problem, "    "))
    return Content("\n").join(lines)


def wait_text(view: StepView) -> Content:
    """The countdown of the wait that goes on, or nothing."""
    wait = view.wait
    if wait is None:
        return Content("")
    left = wait.deadline_s - (wait.elapsed_s if isinstance(wait, WaitProgress) else 0.0)
    detail = f": {wait.detail}" if isinstance(wait, WaitProgress) and wait.detail else ""
    return Content.styled(clean(f"… waiting for {wait.what}, {left:.0f} s left{detail}"), "$text-accent")


def _word(row: Row) -> str:
    return {"waiting": "", "running": "checking"}.get(row.state, row.state)
