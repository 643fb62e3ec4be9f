"""The screens by themselves: what opens, what has the focus, what is said; no server is asked."""

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Checkbox, Input, Static

from screens.app import WizardApp
from screens.frame import StepScreen
from screens.messages import Loaded, Looked, Opened, SetupRow
from screens.modals import QuestionModal, TextModal
from screens.session import Session
from screens.start import StartScreen
from wizard.answers import Answers
from wizard.errors import Problem
from wizard.events import (
    ChangeView,
    ConsentView,
    PlanMade,
    StepFinished,
    StepId,
    StepStatus,
    Verb,
)
from wizard.vault import Vault

CHANGE = ChangeView(Verb.CREATE, "bucket", "acme", "Create the bucket [acme]")
Running = Pilot[int]


class StillSession(Session):
    """Takes answers as the real one does, and remembers what it was asked instead of asking the world."""

    def __init__(self, app: WizardApp) -> None:
        super().__init__(app.post_message, Path)
        self.document = Answers().model_dump(mode="python")
        self.looked: list[StepId] = []
        self.applied: list[StepId] = []
        self.opened: list[str] = []
        self.has_left = False
        self._vault = Vault()

    @property
    def vault(self) -> Vault:
        return self._vault

    def start(self) -> None:
        pass

    def open(self, setup: str) -> None:
        self.opened.append(setup)

    def leave(self) -> None:
        self.has_left = True

    def look(self, step: StepId) -> None:
        self.looked.append(step)

    def apply(self, step: StepId) -> None:
        self.applied.append(step)

    def close(self) -> None:
        pass


@pytest.fixture
async def pilot() -> AsyncIterator[Running]:
    """The bucket step at 80x24, not looked at yet."""
    app = WizardApp(Path, is_practice=True)
    app.session = StillSession(app)
    async with app.run_test(size=(80, 24)) as running:
        app.post_message(Opened("registry", app.session.document, StepId.BUCKET))
        await until(running, lambda: app.step_screen is not None and app.screen.query("#primary"))
        yield running


async def until(pilot: Running, is_there: Callable[[], object]) -> None:
    """Messages take several turns of the loop, and more of them on a busy machine."""
    deadline = time.monotonic() + 10
    while not is_there() and time.monotonic() < deadline:
        await pilot.pause()
    assert is_there()


def app_of(pilot: Running) -> WizardApp:
    assert isinstance(pilot.app, WizardApp)
    return pilot.app


def session_of(pilot: Running) -> StillSession:
    session = app_of(pilot).session
    assert isinstance(session, StillSession)
    return session


def step_of(pilot: Running) -> StepId:
    screen = app_of(pilot).step_screen
    assert screen is not None
    return screen.step


def label(pilot: Running, name: str = "primary") -> str:
    return str(pilot.app.screen.query_one(f"#{name}", Button).label)


def shown(pilot: Running, name: str) -> str:
    return str(pilot.app.screen.query_one(f"#{name}", Static).render())


def told(pilot: Running, name: str) -> str:
    """What a widget shows, as if its lines were not wrapped."""
    return " ".join(shown(pilot, name).split())


async def look(
    pilot: Running, *, consents: tuple[ConsentView, ...] = (), blockers: tuple[Problem, ...] = ()
) -> None:
    plan = PlanMade(step_of(pilot), (CHANGE,), consents, blockers)
    pilot.app.post_message(Looked(step_of(pilot), plan, None, ()))
    await until(pilot, lambda: app_of(pilot).views[step_of(pilot)].plan is plan)
    await pilot.pause()


async def test_nothing_is_applied_before_the_plan_is_seen(pilot: Running) -> None:
    assert label(pilot) == "Looking …"
    await pilot.press("enter", "f2")
    assert session_of(pilot).applied == []
    await look(pilot)
    assert "Create the bucket [acme]" in shown(pilot, "plan")
    await pilot.press("enter")
    await until(pilot, lambda: session_of(pilot).applied == [StepId.BUCKET])


async def test_the_next_step_opens_only_when_this_one_is_verified(pilot: Running) -> None:
    await look(pilot)
    await pilot.press("f2", "f2")
    assert (step_of(pilot), label(pilot), label(pilot, "back")) == (StepId.BUCKET, "Working …", "Stop")
    app_of(pilot).views[StepId.BUCKET].take(
        StepFinished(StepId.BUCKET, StepStatus.FAILED, Problem("x", "No."))
    )
    assert app_of(pilot).step_screen is not None
    pilot.app.screen.query_one("#primary").focus()
    await pilot.press("f2")
    assert step_of(pilot) is StepId.BUCKET
    app_of(pilot).views[StepId.BUCKET].take(StepFinished(StepId.BUCKET, StepStatus.DONE))
    await pilot.press("f2")
    assert step_of(pilot) is StepId.USER


async def test_a_changed_answer_closes_the_next_step_again(pilot: Running) -> None:
    app_of(pilot).views[StepId.BUCKET].status = StepStatus.DONE
    await look_done(pilot)
    assert label(pilot) == "Next: User →"
    pilot.app.screen.query_one("#field-bucket-name", Input).value = "another-name"
    await until(pilot, lambda: label(pilot) == "Looking …")
    await pilot.press("f2")
    assert step_of(pilot) is StepId.BUCKET


async def look_done(pilot: Running) -> None:
    pilot.app.post_message(Looked(step_of(pilot), PlanMade(step_of(pilot), ()), None, ()))
    await pilot.pause()


async def test_an_invalid_answer_says_why_and_is_not_taken(pilot: Running) -> None:
    await look(pilot)
    name = pilot.app.screen.query_one("#field-bucket-name", Input)
    name.value = "Not_A_Bucket"
    await until(pilot, lambda: pilot.app.screen.query(".-invalid"))
    problem = str(pilot.app.screen.query_one(".-invalid").query_one(".field-problem", Static).render())
    assert "cannot be used" in problem
    assert "→" in problem
    assert session_of(pilot).document["bucket"]["name"] == ""
    await pilot.press("f2")
    assert session_of(pilot).applied == []
    assert pilot.app.focused is name


async def test_what_a_plan_waits_for_gets_the_focus_and_its_label(pilot: Running) -> None:
    await look(pilot, blockers=(Problem("no-name", "There is no name.", "", "Set bucket.name."),))
    assert pilot.app.focused is pilot.app.screen.query_one("#field-bucket-name")
    assert "→ Set “Bucket name”." in shown(pilot, "plan")


async def test_a_consent_focuses_cancel_and_cancel_does_nothing(pilot: Running) -> None:
    question = ConsentView("replace_record", "A 192.0.2.1", "May A 192.0.2.1 be replaced?")
    await look(pilot, consents=(question,))
    await pilot.press("f2")
    assert isinstance(pilot.app.screen, QuestionModal)
    assert pilot.app.focused is not None
    assert pilot.app.focused.id == "no"
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(pilot.app.screen, StepScreen))
    assert session_of(pilot).applied == []
    assert "Nothing was changed. Press F2 to be asked again" in told(pilot, "problem")
    assert "manual" in told(pilot, "problem")
    assert (pilot.app.focused, label(pilot)) == (pilot.app.screen.query_one("#primary"), "Ask me again")
    await pilot.press("f2", "right", "enter")
    await until(pilot, lambda: session_of(pilot).applied == [StepId.BUCKET])
    assert session_of(pilot).document["consent"]["replace_record"] == "A 192.0.2.1"


async def test_a_question_takes_a_letter_for_an_answer(pilot: Running) -> None:
    await look(pilot, consents=(ConsentView("adopt", "bucket", "May the bucket be used?"),))
    await pilot.press("f2", "n")
    await until(pilot, lambda: "type another bucket name" in told(pilot, "problem"))
    await pilot.press("f2", "y")
    await until(pilot, lambda: session_of(pilot).applied == [StepId.BUCKET])
    assert session_of(pilot).document["consent"]["adopt"] == ["bucket"]


async def test_enter_on_a_box_agrees_to_nothing(pilot: Running) -> None:
    """Who presses Enter all the way must not have agreed to anything that was not asked."""
    need = Problem("off", "The bucket is not there.", "", "Set bucket.create = true.")
    session_of(pilot).document["bucket"]["create"] = False
    app_of(pilot).switch_screen(StepScreen(StepId.BUCKET))
    await until(pilot, lambda: pilot.app.screen.query("#primary"))
    await look(pilot, blockers=(need,))
    box = pilot.app.screen.query_one("#field-bucket-create", Checkbox)
    await until(pilot, lambda: pilot.app.focused is box)
    assert "Space ticks it" in str(box.label)
    await pilot.press("enter", "enter")
    await until(pilot, lambda: "Nothing was changed." in told(pilot, "problem"))
    assert (box.value, pilot.app.focused) == (False, box)
    await pilot.press("enter", "y")
    await until(pilot, lambda: box.value)
    assert session_of(pilot).document["bucket"]["create"] is True
    await pilot.press("space")
    await until(pilot, lambda: session_of(pilot).document["bucket"]["create"] is False)


async def test_the_last_line_says_what_enter_does(pilot: Running) -> None:
    await look(pilot)
    await until(pilot, lambda: "Enter Apply and verify  " in shown(pilot, "hints"))
    pilot.app.screen.query_one("#field-bucket-name").focus()
    await until(pilot, lambda: shown(pilot, "hints").startswith("Enter Done  F2 Apply and verify  "))
    pilot.app.screen.query_one("#field-bucket-create").focus()
    await until(pilot, lambda: shown(pilot, "hints").startswith("Space Tick  F2 Apply and verify  "))
    assert shown(pilot, "hints").endswith("^Q Quit")


async def test_the_last_line_says_how_to_scroll(pilot: Running) -> None:
    await look(pilot)
    await until(pilot, lambda: "Enter Apply and verify  " in shown(pilot, "hints"))
    assert "Scroll" not in shown(pilot, "hints")
    changes = tuple(ChangeView(Verb.CREATE, "thing", str(n), f"Make number {n}") for n in range(30))
    pilot.app.post_message(Looked(step_of(pilot), PlanMade(step_of(pilot), changes), None, ()))
    await until(pilot, lambda: "PgUp/PgDn Scroll" in shown(pilot, "hints"))


async def test_quitting_in_the_middle_asks_and_focuses_stay(pilot: Running) -> None:
    await look(pilot)
    await pilot.press("f2", "ctrl+q")
    assert isinstance(pilot.app.screen, QuestionModal)
    assert pilot.app.focused is not None
    assert str(getattr(pilot.app.focused, "label", "")) == "Stay"
    await pilot.press("enter")
    assert pilot.app.is_running
    await pilot.press("ctrl+q", "right", "enter")
    await until(pilot, lambda: pilot.app.return_value == 130)


async def test_quitting_while_a_question_is_open_asks_and_keeps_the_question(pilot: Running) -> None:
    await look(pilot, consents=(ConsentView("adopt", "bucket", "May the bucket be used?"),))
    await pilot.press("f2", "ctrl+q", "ctrl+q")
    await until(pilot, lambda: "Quit now?" in shown(pilot, "dialog-title"))
    await pilot.press("enter")
    await until(pilot, lambda: "Only you can decide this" in shown(pilot, "dialog-title"))
    await pilot.press("ctrl+q", "y")
    await until(pilot, lambda: pilot.app.return_value == 0)


async def test_before_the_first_step_there_is_the_list_of_setups(pilot: Running) -> None:
    await pilot.press("escape")
    await until(pilot, lambda: step_of(pilot) is StepId.CONNECT)
    await pilot.press("escape")
    await until(pilot, lambda: isinstance(pilot.app.screen, StartScreen) and session_of(pilot).has_left)
    pilot.app.post_message(Loaded((row("registry", 0),)))
    await until(pilot, lambda: getattr(pilot.app.focused, "name", "") == "registry")
    await pilot.press("enter")
    await until(pilot, lambda: session_of(pilot).opened == ["registry"])
    app_of(pilot).views[StepId.BUCKET].status = StepStatus.DONE
    pilot.app.post_message(Opened("other", Answers().model_dump(mode="python"), StepId.CONNECT))
    await until(pilot, lambda: app_of(pilot).step_screen is not None and step_of(pilot) is StepId.CONNECT)
    assert app_of(pilot).steps_done == 0, "what was seen of another setup is forgotten"


async def test_escape_stops_what_runs_and_else_goes_back(pilot: Running) -> None:
    await look(pilot)
    await pilot.press("f2", "escape")
    assert session_of(pilot).cancel.is_set()
    assert step_of(pilot) is StepId.BUCKET
    app_of(pilot).views[StepId.BUCKET].take(StepFinished(StepId.BUCKET, StepStatus.FAILED))
    await pilot.press("escape")
    assert step_of(pilot) is StepId.CONNECT


async def test_keys_typed_ahead_land_where_they_belong(pilot: Running) -> None:
    """A password that follows quickly must never be seen in the field of the name."""
    app_of(pilot).views[StepId.BUCKET].status = StepStatus.DONE
    pilot.app.post_message(Opened("registry", session_of(pilot).document, StepId.HTPASSWD))
    await pilot.pause()
    screen = pilot.app.screen
    name, password = screen.query_one("#user-name", Input), screen.query_one("#user-password", Input)
    assert pilot.app.focused is name
    for key in ("tab", "shift+tab", "a", "l", "enter", "p", "w"):
        pilot.app.simulate_key(key)
    await until(pilot, lambda: (name.value, password.value) == ("al", "pw"))


async def people(pilot: Running) -> tuple[Input, Input]:
    pilot.app.post_message(Opened("registry", session_of(pilot).document, StepId.HTPASSWD))
    await until(pilot, lambda: pilot.app.screen.query("#user-password") and pilot.app.focused)
    return pilot.app.screen.query_one("#user-name", Input), pilot.app.screen.query_one(
        "#user-password", Input
    )


def listed(pilot: Running) -> list[str]:
    return [str(line.render()) for line in pilot.app.screen.query(".user-line").results(Static)]


async def test_a_user_is_listed_with_where_the_password_comes_from(pilot: Running) -> None:
    name, _ = await people(pilot)
    await pilot.press("a", "enter", "enter")
    await until(pilot, lambda: isinstance(pilot.app.screen, TextModal))
    assert session_of(pilot).vault.generated == ["a"]
    await pilot.press("enter")
    await until(pilot, lambda: listed(pilot) == ["a  (password generated)"] and pilot.app.focused is name)
    await pilot.press("a", "enter", "x", "enter")
    await until(pilot, lambda: listed(pilot) == ["a  (password typed)"])
    assert session_of(pilot).vault.generated == []


async def test_one_enter_after_the_last_user_carries_the_step_out(pilot: Running) -> None:
    name, _ = await people(pilot)
    await look(pilot)
    await until(pilot, lambda: pilot.app.focused is name)
    assert shown(pilot, "hints").startswith("Enter Apply and verify")
    await pilot.press("enter")
    await until(pilot, lambda: session_of(pilot).applied == [StepId.HTPASSWD])


async def test_a_name_that_was_not_added_is_not_lost(pilot: Running) -> None:
    _, password = await people(pilot)
    await look(pilot)
    await pilot.press("b", "o", "b", "f2")
    await until(pilot, lambda: "bob is not added yet" in told(pilot, "user-problem"))
    assert session_of(pilot).applied == []
    assert pilot.app.focused is password


@pytest.mark.parametrize(("size", "is_tiny"), [((59, 24), True), ((80, 17), True), ((60, 18), False)])
async def test_a_window_too_small_gets_a_notice(size: tuple[int, int], is_tiny: bool) -> None:
    app = WizardApp(Path, is_practice=True)
    app.session = StillSession(app)
    async with app.run_test(size=size) as running:
        await running.pause()
        assert isinstance(app.screen, StartScreen)
        assert any(notice.display for notice in app.screen.query("#too-small")) is is_tiny
        assert app.screen.query_one("#body").display is not is_tiny


@pytest.fixture
async def start() -> AsyncIterator[Running]:
    """The first screen, still loading."""
    app = WizardApp(Path, is_practice=True)
    app.session = StillSession(app)
    async with app.run_test(size=(80, 24)) as running:
        await until(running, lambda: isinstance(app.screen, StartScreen) and app.focused)
        yield running


def row(name: str, steps_done: int, *, is_undone: bool = False) -> SetupRow:
    return SetupRow(name, steps_done, 8, "2026-11-24 03:00", is_undone)


async def test_the_first_name_is_replaced_by_typing(start: Running) -> None:
    await start.press("n", "e", "w")
    assert start.app.screen.query_one("#setup-name", Input).value == "new"


async def test_what_is_typed_while_all_loads_is_kept_and_begun(start: Running) -> None:
    name = start.app.screen.query_one("#setup-name", Input)
    await start.press("n", "e", "w")
    start.app.post_message(Loaded((row("old", 3),)))
    await until(start, lambda: label(start) == "Start →")
    assert (name.value, start.app.focused) == ("new", name)
    await start.press("enter")
    await until(start, lambda: session_of(start).opened == ["new"])


async def test_an_enter_that_comes_too_early_counts_later(start: Running) -> None:
    await start.press("n", "e", "w", "enter")
    assert session_of(start).opened == []
    start.app.post_message(Loaded((row("old", 3),)))
    await until(start, lambda: session_of(start).opened == ["new"])


async def test_what_is_typed_on_the_list_is_a_name(start: Running) -> None:
    start.app.post_message(Loaded((row("registry", 3),)))
    await until(start, lambda: str(getattr(start.app.focused, "label", "")).startswith("registry: 3 of 8"))
    for key in ("n", "e", "w", "enter"):
        start.app.simulate_key(key)
    await until(start, lambda: session_of(start).opened == ["new"])


async def test_setups_taken_back_stand_last_and_never_have_the_focus(start: Running) -> None:
    name = start.app.screen.query_one("#setup-name", Input)
    start.app.post_message(Loaded((row("gone", 0, is_undone=True),)))
    await until(start, lambda: label(start) == "Start →")
    assert start.app.focused is name
    start.app.post_message(Loaded((row("half", 3), row("gone", 0, is_undone=True))))
    await until(start, lambda: getattr(start.app.focused, "name", "") == "half")
    assert [button.name for button in start.app.screen.query(".setup")] == ["half", "gone"]


async def test_help_tells_of_the_field_that_has_the_focus(pilot: Running) -> None:
    await look(pilot)
    pilot.app.screen.query_one("#field-bucket-name").focus()
    await pilot.press("f1")
    assert "Bucket name" in shown(pilot, "dialog-title")
    await pilot.press("escape")
    assert isinstance(pilot.app.screen, StepScreen)
