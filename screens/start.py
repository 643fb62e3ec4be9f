"""The first screen: what this is, the setups that were begun, and a way to begin one."""

from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Input, Static

from screens.actions import HELP, LOG, MOVES, PALETTE, QUIT, Action, bindings
from screens.hints import HintLine, fitting
from screens.messages import Drifted, SetupRow
from screens.sized import SizedScreen, too_small
from wizard.errors import Problem

if TYPE_CHECKING:
    from screens.app import WizardApp

WELCOME = (
    "Eight steps take you to a private Docker registry on Kubernetes, with its images in S3: connect, "
    "bucket, user, certificate, passwords, deploy, DNS, and a proof by a real push. Every step says first "
    "what it will do, and is checked before the next one opens. You can leave at any moment and go on later; "
    "everything made can be taken back."
)
PRACTICE = (
    "You are in the practice world: AWS, a cluster, a CA and DNS that run on this machine only. Nothing "
    "costs money and nothing can break. The fields are filled in: Enter goes on."
)
FIRST_NAME = "registry"
START_ACTIONS = (
    HELP,
    PALETTE,
    LOG,
    QUIT,
    Action("escape", "app.quit", "Quit", "Esc", is_hint=False),
    *MOVES,
)


class SetupButton(Button):
    """A setup of the list. Text typed on it is a name, for nothing else here takes any."""

    def _forward_event(self, event: events.Event) -> None:
        """The app's own way of handing a key on: only here do quick keys stay in their order."""
        if isinstance(event, events.Key) and event.is_printable and event.character != " ":
            name = self.screen.query_one("#setup-name", Input)
            self.screen.set_focus(name)
            name._forward_event(event)  # noqa: SLF001 - the public ways let a later key overtake it
        else:
            super()._forward_event(event)


class StartScreen(SizedScreen):
    BINDINGS = bindings(START_ACTIONS)

    def __init__(self) -> None:
        super().__init__()
        self._is_loaded = self._is_begun_early = self._is_broken = False

    def compose(self) -> ComposeResult:
        yield too_small()
        yield Static("kube-registry", id="top", markup=False)
        with VerticalScroll(id="body", can_focus=False):
            yield Static("A private Docker registry, step by step", id="title", markup=False)
            yield Static(WELCOME, id="welcome", markup=False)
            yield Static(id="practice-text", markup=False)
            yield Vertical(id="setups")
            yield Static("Begin one", classes="heading", id="begin", markup=False)
            with Horizontal(classes="field-line"):
                yield Static("Name of the setup", classes="field-label", markup=False)
                yield Input(FIRST_NAME, id="setup-name", compact=True)
            yield Static(id="start-problem", classes="field-problem", markup=False)
        with Horizontal(id="buttons"):
            yield Button("Start →", id="primary", variant="primary", compact=True)
        first = (("Enter Start", ""), ("Tab Next field", ""))
        yield HintLine(fitting(first, START_ACTIONS, self.app.size.width - 2))

    @property
    def wizard(self) -> "WizardApp":
        from screens.app import WizardApp

        assert isinstance(self.app, WizardApp)
        return self.app

    def on_mount(self) -> None:
        if self.wizard.is_practice:
            self.add_class("-practice")
            self.query_one("#practice-text", Static).update(PRACTICE)
        self.set_focus(self.query_one("#setup-name", Input))

    @property
    def offered(self) -> tuple[Action, ...]:
        return (HELP,)

    def action_help(self) -> None:
        self.wizard.show_start_help()

    def wait(self) -> None:
        """The list is being read anew."""
        self._is_loaded = self._is_begun_early = False
        name = self.query_one("#setup-name", Input)
        name.value, name.placeholder = FIRST_NAME, ""
        self.query_one("#primary", Button).label = "Start →"
        self.query_one("#start-problem", Static).update("")

    async def show_setups(self, setups: tuple[SetupRow, ...]) -> None:
        """The engine is there: the setups that were begun, and a live button."""
        await self._list(setups)
        name = self.query_one("#setup-name", Input)
        await self.drain()
        self.query_one("#primary", Button).label = "Start →"
        self._is_loaded = True
        if name.value != FIRST_NAME:
            # Typed while all was loaded: the focus stays, and an Enter pressed too early counts now.
            if self._is_begun_early:
                self._begin()
            return
        standing = [each for each in self.query(".setup") if not each.has_class("-undone")]
        if standing:
            self.set_focus(standing[0])
        if FIRST_NAME in {row.name for row in setups}:
            name.value, name.placeholder = "", "a name that is not there yet"
        elif self._is_begun_early and not standing:
            self._begin()

    async def _list(self, setups: tuple[SetupRow, ...]) -> None:
        box = self.query_one("#setups", Vertical)
        await box.remove_children()
        if not setups:
            return
        standing = [
            part for row in setups if not row.is_undone for part in (self._line(row), self._drift(row))
        ]
        undone = [self._line(row) for row in setups if row.is_undone]
        if standing:
            await box.mount(Static("Go on with", classes="heading", markup=False), *standing)
        if undone:
            heading = Static("Taken back; each can be done again", classes="heading", markup=False)
            await box.mount(heading, *undone)
        self.query_one("#begin", Static).update("Or begin another, in a namespace of its own")

    @staticmethod
    def _line(row: SetupRow) -> Button:
        from screens.render import clean

        far = "taken back" if row.is_undone else f"{row.steps_done} of {row.steps} steps"
        label = Content(clean(f"{row.name}: {far}, last touched {row.touched} UTC"))
        classes = "setup -undone" if row.is_undone else "setup"
        return SetupButton(label, name=row.name, classes=classes, compact=True)

    @staticmethod
    def _drift(row: SetupRow) -> Static:
        return Static("    ▸ looking at what is there now …", name=row.name, classes="drift", markup=False)

    def show_drift(self, message: Drifted) -> None:
        """What has become of it, beneath its line."""
        from screens.render import clean

        for line in self.query(".drift").results(Static):
            if line.name == message.setup:
                glyph = "✓" if message.is_well else "!"
                line.update(clean(f"    {glyph} {message.words}"))
                line.set_class(not message.is_well, "-off")

    def show_broken(self, problem: Problem) -> None:
        """Nothing could be loaded, or the practice world did not start: the button tries once more."""
        self._is_broken = True
        self.show_problem(problem)
        self.query_one("#primary", Button).label = "Try again"

    def show_problem(self, problem: Problem) -> None:
        from screens.render import problem_text

        width = max(self.size.width - 34, 20)
        self.query_one("#start-problem", Static).update(problem_text(problem, width))
        self.query_one("#primary", Button).label = "Start →"
        self.call_after_refresh(self.query_one("#body", VerticalScroll).scroll_end, animate=False)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.has_class("setup"):
            self.wizard.open_setup(str(event.button.name))
        else:
            self._begin()

    def on_input_submitted(self, _event: Input.Submitted) -> None:
        self._begin()

    def _begin(self) -> None:
        """Counts before the list is there, too: the button says then what it waits for."""
        if self._is_broken:
            self._is_broken = False
            self.query_one("#start-problem", Static).update("")
            self.wizard.session.begin_again()
        if not self._is_loaded:
            self._is_begun_early = True
            self.query_one("#primary", Button).label = "Loading …"
            return
        name = self.query_one("#setup-name", Input).value.strip()
        from wizard.rules import setup_name

        if problem := setup_name(name) if name else "A setup needs a name.":
            self.show_problem(Problem("setup-name", problem))
        else:
            self.wizard.open_setup(name)
