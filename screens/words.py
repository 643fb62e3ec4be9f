"""A problem's words as the screen needs them: they were written for an answers file and a command line."""

import re
from collections.abc import Mapping
from dataclasses import replace

from screens.forms import FORMS
from wizard.errors import Problem
from wizard.events import ConsentView

LABELS = {(field.table, field.key): field.label for form in FORMS.values() for field in form.fields}
HELP_LABELS = {**LABELS, ("htpasswd", "users"): "User name", ("htpasswd", "password"): "Password"}
"""These two are no form's fields: the one is a list, the other is no answer."""
OTHER_WAYS = {
    ("replace_record", ""): "choose “manual” as DNS host and set the record yourself",
    ("delete_access_key", ""): "delete one of the keys yourself, then press F5",
    ("take_over_fields", ""): "have the other manager give the fields up, then press F5",
    ("adopt", "bucket"): "type another bucket name",
    ("adopt", "user"): "type another IAM user",
    ("adopt", "policy"): "type another IAM policy",
}
ANOTHER_PLACE = "choose another namespace in step 1"
_SOFT_BREAK = re.compile(r"(?<!\n)\n(?!\n|(?:Used for|[\w-]+): )")
_KEY = re.compile(r"\[(\w+)\] (\w+)|\b(\w+)\.(\w+)\b")


def for_screen(problem: Problem) -> Problem:
    """Answers are called by their labels, and a run again is a button."""
    return replace(
        problem, what=_labelled(problem.what), why=_labelled(problem.why), fix=_labelled(problem.fix)
    )


def declined(consent: ConsentView) -> str:
    """What a no means, and the ways that are left."""
    ways = (OTHER_WAYS.get((consent.key, value)) for value in (consent.value, ""))
    way = next((each for each in ways if each), ANOTHER_PLACE)
    return f"! Nothing was changed. Press F2 to be asked again, or {way}."


def help_parts(text: str) -> tuple[str, Mapping[str, str]]:
    """A step's help file: about the step, and by answer. The file's line breaks are not the screen's.

    Only a new paragraph, and a line that begins with a label such as "Where:", stays one.
    """
    about, *parts = text.split("\n## ")
    named = (part.partition("\n") for part in parts)
    return _unwrapped(about.partition("\n")[2]), {name.strip(): _unwrapped(words) for name, _, words in named}


def _unwrapped(text: str) -> str:
    return _SOFT_BREAK.sub(" ", text.strip())


def field_named(problem: Problem) -> tuple[str, str] | None:
    """The answer (table, key) that would mend it, where the fix names one that a form asks for."""
    found = (_pair(match) for match in _KEY.finditer(f"{problem.fix} {problem.what}"))
    return next((pair for pair in found if pair in LABELS), None)


def _labelled(text: str) -> str:
    text = _KEY.sub(_label, text)
    text = re.sub(
        r"\b([Ss])et (“[^”]+”) (?:= |to )true", lambda m: f"{'T' if m[1] == 'S' else 't'}ick {m[2]}", text
    )
    text = re.sub(
        r"\b([Rr])un the same command again", lambda m: f"{'P' if m[1] == 'R' else 'p'}ress “Try again”", text
    )
    text = re.sub(r"\bthen the same command again", "then press F5", text)
    return re.sub(r"\bRun the steps? (\w+)( and \w+)? again", r"Go back to \1\2 and do it again", text)


def _label(match: re.Match[str]) -> str:
    label = LABELS.get(_pair(match))
    return f"“{label}”" if label else match[0]


def _pair(match: re.Match[str]) -> tuple[str, str]:
    return (match[1] or match[3] or "", match[2] or match[4] or "")
