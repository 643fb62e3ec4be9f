"""The app wires screens and session together; it does no work of its own.

What the first frame does not show is imported where it is used.
"""

import gc
import threading
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import SystemCommand
from textual.screen import Screen

from screens.manners import Manners
from screens.start import StartScreen
from wizard.resources import assets
from wizard.status import STEPS, StepId, StepStatus

if TYPE_CHECKING:
    from screens.frame import StepScreen
    from screens.messages import (
        Broken,
        Drifted,
        Ended,
        Happened,
        Loaded,
        Looked,
        NotSaved,
        Opened,
        Standing,
        Suggested,
    )
    from screens.session import Session
    from screens.view import StepView
    from wizard.errors import Problem
    from wizard.events import ConsentView

LOADING_WAITS_S = 0.1
BEFORE_APPLY = "the look at all steps, which has to end first"
BEFORE_CHANGES = "a last look at what is there"
ENTER_PRACTICE = 'eval "$(kube-registry world env)"'


class WizardApp(Manners):
    """`enter` gives the state root and is called off the screen's thread: it may start a practice world."""

    CSS_PATH: ClassVar[list[str | PurePath]] = [assets() / "styles" / "start.tcss"]
    TITLE = "kube-registry"

    def __init__(self, enter: Callable[[], Path], *, is_practice: bool) -> None:
        super().__init__()
        self.is_practice = is_practice
        self._enter = enter
        self.setup = ""
        self._undoing: StepId | None = None
        self._is_standing = self._is_standing_unknown = False
        self._start_screen = StartScreen()

    @cached_property
    def session(self) -> "Session":
        from screens.session import Session

        return Session(self.post_message, self._enter)

    @cached_property
    def views(self) -> "dict[StepId, StepView]":
        from screens.view import StepView

        return {step: StepView() for step in STEPS}

    def get_default_screen(self) -> Screen[Any]:
        """An empty screen beneath the first one would be drawn before it."""
        return self._start_screen

    def on_mount(self) -> None:
        self.mind_signals()
        self.call_after_refresh(self._first_frame_is_out)

    def _first_frame_is_out(self) -> None:
        """Loading waits a moment: it would hold up what else this frame draws."""
        self.set_timer(LOADING_WAITS_S, self._load)

    def _load(self) -> None:
        self.dress()
        threading.Thread(target=self._load_session, name="load", daemon=True).start()

    def _load_session(self) -> None:
        import screens.session  # noqa: F401 - off the screen's thread
        from wizard.memory import share_heaps

        share_heaps()
        self.call_later(self._begin)

    def _begin(self) -> None:
        self.session.start()

    @property
    def step_screen(self) -> "StepScreen | None":
        if len(self.screen_stack) == 1:
            return None
        from screens.frame import StepScreen

        return next((each for each in reversed(self.screen_stack) if isinstance(each, StepScreen)), None)

    # What screens ask for

    def open_setup(self, setup: str) -> None:
        self.session.open(setup)

    def apply(self, step: StepId) -> None:
        """Asks for the consents that are still open, one by one, then carries the step out."""
        plan = self.views[step].plan
        if plan is not None and plan.consents:
            self._ask(step, plan.consents[0])
            return
        self.views[step].begin(self._queued_for)
        self.session.apply(step)
        self._show(step)

    def change(self, step: StepId) -> None:
        """Makes a finished step's answers open; says first which later steps that puts in doubt."""
        later = [each for each in STEPS[STEPS.index(step) + 1 :] if self.views[each].is_verified]
        if not later:
            self._changed(step, agrees=True)
            return
        from screens.forms import FORMS
        from screens.modals import QuestionModal

        listed = ", ".join(f"{STEPS.index(each) + 1} {FORMS[each].title}" for each in later)
        question = (
            f"When an answer changes, these steps are to be verified again: {listed}. What they made stays, "
            "and is changed only where the new answer asks for it."
        )
        modal = QuestionModal(f"Change {FORMS[step].title}?", question, yes="Change it")
        self.push_screen(modal, lambda agrees: self._changed(step, agrees=bool(agrees)))

    def _changed(self, step: StepId, *, agrees: bool) -> None:
        self.views[step].is_editing = agrees
        if agrees and (screen := self.step_screen) and screen.step is step:
            screen.show_fields()

    def undo(self, step: StepId) -> None:
        """Takes this step and those after it back, after a question that names what goes."""
        from screens.forms import FORMS
        from screens.modals import QuestionModal, TextModal

        doomed = self.session.to_undo(step)
        title = FORMS[step].title
        if not doomed:
            nothing = "Neither this step nor a later one has made anything that could be taken back."
            self.push_screen(TextModal(f"Undo {title}", nothing))
            return
        listed = "\n".join(f"- {each}" for each in doomed)
        question = (
            f"This is taken back, in this order; what was there before gets its former values:\n{listed}"
        )
        modal = QuestionModal(f"Undo {title} and what came after it?", question, yes="Take it back")
        self.push_screen(modal, lambda agrees: self._undo(step) if agrees else None)

    def _undo(self, step: StepId) -> None:
        self._undoing = step
        self.views[step].begin_undo(self._queued_for)
        self.session.undo(step)
        self._show(step)

    def go_on(self, step: StepId) -> None:
        following = STEPS.index(step) + 1
        if following == len(STEPS):
            self._leave(leave=True)
        else:
            self.open_step(STEPS[following])

    def go_back(self, step: StepId) -> None:
        """Before the first step there is the first screen, with the list of setups as it is now."""
        if self.views[step].is_running:
            return
        if step is STEPS[0]:
            self.setup = ""
            self._start_screen.wait()
            self.pop_screen()
            self.session.leave()
        else:
            self.open_step(STEPS[STEPS.index(step) - 1])

    def lead_to(self, step: StepId, field: tuple[str, str]) -> None:
        """Opens another step at the field of one of its answers."""
        self.views[step].is_editing = True
        self.open_step(step)
        if (screen := self.step_screen) is not None:
            screen.call_after_refresh(screen.lead_to, field)

    def unverified_before(self, step: StepId) -> StepId | None:
        """The first step before this one that does not stand, as far as that is known by now."""
        before = () if self._is_standing else STEPS[: STEPS.index(step)]
        return next((each for each in before if not self.views[each].is_verified), None)

    def look_anew(self) -> None:
        """What is asked now gets new clients; so does the look at all steps, where that had failed."""
        self.session.renew()
        if self._is_standing_unknown:
            self._stand()

    def stop(self, step: StepId) -> None:
        """Takes effect between two requests."""
        self.session.cancel.set()
        self._show(step)

    def forget(self, step: StepId) -> None:
        """An answer changed: this step and those after it are to be verified again."""
        for each in STEPS[STEPS.index(step) :]:
            view = self.views[each]
            if view.status is StepStatus.DONE:
                view.status = StepStatus.CHANGED
        self.views[step].look_away()

    def show_help(self, step: StepId, field: tuple[str, str] | None) -> None:
        """The field's part of the step's help, or what stands there about the step as a whole."""
        from screens.help import step_help

        self.push_screen(step_help(step, field))

    def show_start_help(self) -> None:
        from screens.help import start_help

        self.push_screen(start_help())

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        yield from super().get_system_commands(screen)
        yield SystemCommand("Glossary", "The words that the wizard uses", self.action_glossary)
        yield SystemCommand("Stuck? Make a report", "For whoever helps you; no secrets", self.action_report)

    def action_glossary(self) -> None:
        from screens.help import GlossaryModal

        self.push_screen(GlossaryModal())

    def action_report(self) -> None:
        from screens.help import ReportModal

        self.push_screen(ReportModal())

    def show_commands(self, step: StepId, commands: tuple[tuple[str, str], ...]) -> None:
        """What the step's changes are by hand, where there are any."""
        from screens.by_hand import CommandsModal
        from screens.forms import FORMS

        if commands:
            self.push_screen(CommandsModal(f"{FORMS[step].title}, by hand", commands, self._keep_commands))

    def _keep_commands(self) -> "Path | Problem":
        from screens.forms import FORMS

        steps = [(FORMS[step].title, self.views[step].commands) for step in STEPS]
        if self.is_proven:
            steps.append(("Use it", self.use()))
        return self.session.keep_commands([each for each in steps if each[1]])

    def copy_line(self, step: StepId) -> None:
        """Of the file that the step waits for: by OSC 52, which some terminals ignore, and into a file."""
        from screens.put_there import COPIED

        view = self.views[step]
        if view.files:
            self.copy_to_clipboard(view.files[0].content)
            from wizard.errors import Problem

            kept = self.session.keep_file(view.files[0])
            view.kept = kept.what if isinstance(kept, Problem) else f"{COPIED}{kept}"
            self._show(step)

    def use(self) -> tuple[tuple[str, str], ...]:
        """The snippets as commands by hand."""
        return (("Log in, push, pull, and let Pods pull", "\n".join(self.snippets())),)

    def snippets(self) -> tuple[str, ...]:
        """Commands that use the registry; the practice world has to be entered first."""
        first = (ENTER_PRACTICE,) if self.is_practice else ()
        return (*first, *self.session.snippets())

    async def action_quit(self) -> None:
        """Asks where something would be broken off: a step, or a question that is open."""
        from screens.modals import QuestionModal, QuitModal

        if isinstance(self.screen, QuitModal):
            return
        running = next((step for step in STEPS if self.setup and self.views[step].is_running), None)
        if running is not None:
            question = (
                f"The step {running.value} is being carried out. What is done is recorded, and the next "
                "start goes on from there."
            )
            self.push_screen(QuitModal("Quit in the middle?", question, yes="Quit", no="Stay"), self._leave)
        elif isinstance(self.screen, QuestionModal):
            question = "The question stays open. All answers are saved, and the next start asks again."
            self.push_screen(QuitModal("Quit now?", question, yes="Quit", no="Stay"), self._leave)
        else:
            self._leave(leave=True)

    def _leave(self, leave: bool | None) -> None:
        """To leave in the middle of a step is to interrupt it."""
        if leave:
            from wizard.errors import ExitCode

            is_interrupted = bool(self.setup) and any(view.is_running for view in self.views.values())
            self.let_go()
            self.exit(int(ExitCode.INTERRUPTED if is_interrupted else ExitCode.DONE))

    def let_go(self) -> None:
        if "session" in vars(self):
            self.session.close()

    @property
    def is_proven(self) -> bool:
        return self.steps_done == len(STEPS)

    @property
    def steps_done(self) -> int:
        return sum(view.is_verified for view in self.views.values())

    # What the session tells

    async def on_loaded(self, message: "Loaded") -> None:
        self.dress()
        await self._start_screen.show_setups(message.setups)

    def on_drifted(self, message: "Drifted") -> None:
        self._start_screen.show_drift(message)

    def on_broken(self, message: "Broken") -> None:
        self._start_screen.show_broken(message.problem)

    def on_not_saved(self, message: "NotSaved") -> None:
        """It must not be lost among what the next look says."""
        self.notify(str(message.problem), title="Not saved", severity="error", markup=False)

    def on_opened(self, message: "Opened") -> None:
        from screens.view import StepView

        self.setup = message.setup
        self.views = {step: StepView() for step in STEPS}
        self._is_standing = self._is_standing_unknown = False
        self.open_step(message.first)
        if message.first is not StepId.CONNECT:
            for step in STEPS[: STEPS.index(message.first)]:
                self.views[step].status, self.views[step].is_assumed = StepStatus.DONE, True
            self._stand()

    def on_standing(self, message: "Standing") -> None:
        """The screen stays where it is, whatever was found: somebody may be typing, or answering."""
        self._stood(is_known=True)
        for step, status in message.statuses.items():
            if not self.views[step].is_running:
                self.views[step].status, self.views[step].is_assumed = status, False
        self._show_all()

    def on_looked(self, message: "Looked") -> None:
        self._collect_again()
        view = self.views[message.step]
        view.is_looking = False
        if view.is_running:
            return
        view.plan, view.problem, view.warnings = message.plan, message.problem, message.warnings
        if view.plan is not None and (view.plan.changes or view.plan.blockers or view.plan.consents):
            view.changes = []
            if view.status is StepStatus.DONE:
                view.status = StepStatus.CHANGED
        if (screen := self.step_screen) and screen.step is message.step:
            screen.show_look()

    def on_suggested(self, message: "Suggested") -> None:
        screen = self.step_screen
        if screen is None:
            return
        for (table, key), value in message.values.items():
            if self.session.put(table, key, value) is None:
                screen.fill(table, key, value)

    def on_happened(self, message: "Happened") -> None:
        self.note(message.event)
        step = self._undoing or getattr(message.event, "step", None)
        if isinstance(step, StepId):
            self.views[step].take(message.event)
            self._show(step)

    def on_ended(self, message: "Ended") -> None:
        if message.step is None:
            if message.problem is not None:
                if message.job == "stand":
                    self._stood(is_known=False)
                self._show_job_problem(message.problem)
            return
        view = self.views[message.step]
        view.end()
        if message.problem is not None:
            view.problem = message.problem
            view.status = StepStatus.INTERRUPTED if message.problem.code == "cancelled" else StepStatus.FAILED
        if message.job == "undo":
            self._undone(message.step)
        self._show(message.step)
        if (screen := self.step_screen) and screen.step is message.step:
            screen.show_finished()

    # Inside

    def _collect_again(self) -> None:
        """The first look has made all clients: to go through what stays anyway would stall the screen."""
        if self.session.has_frozen:
            self.session.has_frozen = False
            gc.freeze()

    def _undone(self, step: StepId) -> None:
        """What came of it stays on the screen; how the steps stand now is asked for."""
        self._undoing = None
        for each in STEPS[STEPS.index(step) :]:
            self.views[each].status, self.views[each].plan = StepStatus.UNDONE, None
        for each in STEPS[STEPS.index(step) + 1 :]:
            self.views[each].look_away()
        self._stand()
        if (screen := self.step_screen) and screen.step is step:
            screen.action_look()

    def _stand(self) -> None:
        self._is_standing, self._is_standing_unknown = True, False
        self.session.stand()

    def _stood(self, *, is_known: bool) -> None:
        """The look at all steps has ended; what it could not see is not taken for verified."""
        self._is_standing, self._is_standing_unknown = False, not is_known
        for view in self.views.values():
            if view.queued_for:
                view.queued_for = BEFORE_CHANGES
            if not is_known:
                view.doubt()

    @property
    def _queued_for(self) -> str:
        return BEFORE_APPLY if self._is_standing else BEFORE_CHANGES

    def _show_all(self) -> None:
        if (screen := self.step_screen) is not None:
            screen.render_view()

    def _show_job_problem(self, problem: "Problem") -> None:
        screen = self.step_screen
        if screen is None:
            self._start_screen.show_problem(problem)
        else:
            self.views[screen.step].problem = problem
            screen.render_view()

    def _handle_exception(self, error: Exception) -> None:
        """Our own mistake ends in a sentence; Textual would print the locals, and secrets with them."""
        if self.is_headless:
            super()._handle_exception(error)
            return
        from wizard.checks import unexpected

        problem = unexpected(error, "The wizard itself failed. What was done is recorded.")
        self.exit(1, return_code=1, message=f"{problem.what}\n{problem.why}\n{problem.fix}")

    def open_step(self, step: StepId) -> None:
        from screens.frame import StepScreen
        from screens.people import PeopleScreen

        self.dress()
        screen = PeopleScreen(step) if step is StepId.HTPASSWD else StepScreen(step)
        if self.step_screen is None:
            self.push_screen(screen)
        else:
            self.switch_screen(screen)

    def _show(self, step: StepId) -> None:
        if (screen := self.step_screen) and screen.step is step:
            screen.render_view()

    def _ask(self, step: StepId, consent: "ConsentView") -> None:
        from screens.modals import QuestionModal
        from screens.words import declined

        def answered(agrees: bool | None) -> None:
            if not agrees:
                self.views[step].aside = declined(consent)
                if (screen := self.step_screen) and screen.step is step:
                    screen.show_finished()
                return
            self.session.consent(consent.key, consent.value)
            plan = self.views[step].plan
            if plan is not None:
                self.views[step].plan = type(plan)(
                    plan.step, plan.changes, plan.consents[1:], plan.blockers, plan.notes
                )
            self.apply(step)

        self.push_screen(
            QuestionModal("Only you can decide this", consent.question, yes="Yes, do it"), answered
        )
