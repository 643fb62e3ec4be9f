"""Help where the question is: every field has its words, the glossary is near, and so is a report."""

from pathlib import Path

import pytest
from textual.widgets import Input, Static

from screens.forms import FORMS, Field
from screens.help import GlossaryModal, HelpModal, ReportModal
from screens.words import help_parts
from tests.pilot.test_screens import Running, app_of, look, pilot, session_of, shown, told, until
from wizard.errors import Problem
from wizard.resources import read_asset

__all__ = ["pilot"]
FIELDS = [field for form in FORMS.values() for field in form.fields]
IN_AWS_OR_CLUSTER = {"connect", "bucket", "user", "dns"}


@pytest.mark.parametrize("field", FIELDS, ids=[f"{each.table}.{each.key}" for each in FIELDS])
def test_every_field_says_what_it_is_where_it_is_found_and_what_for(field: Field) -> None:
    step = next(step for step, form in FORMS.items() if field in form.fields)
    _, parts = help_parts(read_asset(f"help/{step.value}.md"))
    text = parts[f"{field.table}.{field.key}"]
    assert len(text.partition("\nUsed for: ")[2]) > 10
    if field.table in IN_AWS_OR_CLUSTER and field.key != "hosted_zone_id":
        assert "\nWhere: " in text
    assert not text.startswith(("Where:", "Used for:"))


@pytest.mark.parametrize("step", FORMS)
def test_every_step_says_why(step: object) -> None:
    (form,) = (each for each in FORMS.values() if each.step is step)
    assert form.why.endswith(".")


@pytest.mark.parametrize("key", ["f1", "ctrl+g"])
async def test_two_keys_open_help_for_the_field(pilot: Running, key: str) -> None:
    await look(pilot)
    pilot.app.screen.query_one("#field-bucket-name").focus()
    await pilot.press(key)
    assert isinstance(pilot.app.screen, HelpModal)
    assert told(pilot, "dialog-title") == "Help: Bucket name"
    assert "Where: the AWS console, S3" in told(pilot, "help-text")
    await pilot.press(key)
    await until(pilot, lambda: pilot.app.screen is app_of(pilot).step_screen)


async def test_without_a_field_it_tells_why_the_step_is(pilot: Running) -> None:
    await look(pilot)
    pilot.app.screen.query_one("#primary").focus()
    await pilot.press("f1")
    assert app_of(pilot).step_screen is not None
    assert "encrypted and closed to the public." in told(pilot, "help-text")


async def test_the_glossary_is_one_key_from_help_and_narrows(pilot: Running) -> None:
    await look(pilot)
    await pilot.press("f1", "g")
    assert isinstance(pilot.app.screen, GlossaryModal)
    assert "access key" in shown(pilot, "glossary")
    await pilot.press(*"hosted")
    assert pilot.app.screen.query_one("#filter", Input).value == "hosted"
    await until(pilot, lambda: shown(pilot, "glossary").startswith("hosted zone"))
    assert "access key" not in shown(pilot, "glossary")
    await pilot.press(*"xyz")
    await until(pilot, lambda: "No such word" in shown(pilot, "glossary"))
    await pilot.press("escape", "escape")
    await until(pilot, lambda: pilot.app.screen is app_of(pilot).step_screen)


async def test_the_palette_knows_glossary_and_report(pilot: Running) -> None:
    await look(pilot)
    titles = {each.title for each in pilot.app.get_system_commands(pilot.app.screen)}
    assert {"Glossary", "Stuck? Make a report"} <= titles


@pytest.mark.parametrize("is_written", [True, False])
async def test_a_report_is_written_and_its_place_shown(
    pilot: Running, monkeypatch: pytest.MonkeyPatch, is_written: bool
) -> None:
    found = Path("/home/me/report.txt") if is_written else Problem("x", "It could not be written.")
    monkeypatch.setattr(session_of(pilot), "report", lambda: found)
    await look(pilot)
    await pilot.press("f1", "r")
    assert isinstance(pilot.app.screen, ReportModal)
    await pilot.press("enter")
    told_of = pilot.app.screen.query_one("#dialog-told", Static)
    await until(pilot, lambda: str(told_of.render()))
    wanted = "The report is in /home/me/report.txt" if is_written else "It could not be written."
    assert str(told_of.render()) == wanted
