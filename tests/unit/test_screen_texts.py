"""What the screen makes of texts that were written for files and terminals of another width."""

import re
import shlex

import pytest

from screens.forms import FORMS
from screens.render import commands_text
from screens.words import help_parts
from wizard.answers import from_mapping
from wizard.endpoints import Endpoints
from wizard.events import STEPS, StepId
from wizard.resources import read_asset
from wizard.steps.proof import snippets

ANSWERS = from_mapping(
    {
        "certificate": {"domain": "registry.practice.test"},
        "connect": {"namespace": "a-rather-long-name-for-a-namespace"},
    }
)


@pytest.mark.parametrize("width", [56, 77, 120])
@pytest.mark.parametrize("programs", [["docker"], ["skopeo"], ["docker", "skopeo"]])
def test_a_command_can_be_copied_from_the_screen(width: int, programs: list[str]) -> None:
    """As a shell reads it, the broken command is the whole one."""
    for command in ('eval "$(kube-registry world env)"', *snippets(ANSWERS, Endpoints(), programs)):
        shown = commands_text([command], width).plain
        assert shlex.split(shown.removeprefix("  $ ").replace("\\\n", "")) == shlex.split(command)


def test_no_line_of_a_command_is_wrapped_again() -> None:
    shown = commands_text(snippets(ANSWERS, Endpoints(), ["docker", "skopeo"]), 77).plain
    assert max(len(line) for line in shown.split("\n")) <= 77


def test_help_keeps_paragraphs_and_labels_and_no_other_line_break() -> None:
    about, parts = help_parts("# Title\n\nOne\nline.\n\nTwo.\n\n## a.b\n\nFirst\nhalf.\nWhere: there.\n")
    assert about == "One line.\n\nTwo."
    assert parts == {"a.b": "First half.\nWhere: there."}


@pytest.mark.parametrize("step", STEPS)
def test_every_further_line_of_help_begins_with_a_label(step: StepId) -> None:
    """A word of a sentence that happens to stand before a colon at a line's end is none."""
    labels = {"Where", "Used for"}
    for field in FORMS[step].fields:
        labels |= {*field.choices, *re.findall(r"[a-z]+", field.hint)}
    about, parts = help_parts(read_asset(f"help/{step.value}.md"))
    for text in (about, *parts.values()):
        for paragraph in text.split("\n\n"):
            for line in paragraph.split("\n")[1:]:
                assert line.partition(":")[0] in labels, line
