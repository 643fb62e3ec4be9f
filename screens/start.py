"""The first screen: what this is, the setups that were begun, and a way to begin one."""

from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Input, Static

from screens.actions import HELP, LOG, MOVES, PAGES, PALETTE, QUIT, Action, bindings
from screens.hints import HintLine, fitting
from screens.sized import SizedScreen

if TYPE_CHECKING:
    from screens.app import WizardApp
    from screens.messages import Drifted, SetupRow
    from wizard.errors import Problem

TITLE = "A private Docker registry, step by step"
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
FIRST_HINTS = [("Enter Start", ""), ("Tab Next field", "")]
START_ACTIONS = (
    HELP,
    PALETTE,
    LOG,
    QUIT,
    Action("escape", "app.quit", "Quit", "Esc", is_hint=False),
    *PAGES,
    *MOVES,
)


class LightButton(Button, inherit_css=False):
    """Styled by start.tcss alone: what Textual brings for all kinds of buttons takes long to parse."""


class SetupButton(LightButton):
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
        """As few parts as can be: each of them delays the first frame."""
        yield Static("kube-registry", id="top", markup=False)
        with VerticalScroll(id="body", can_focus=False):
            yield Static(self._welcome(), id="welcome", markup=False)
            yield Static("Begin one", classes="heading", id="begin", markup=False)
            with Horizontal(classes="field-line"):
                yield Static("Name of the setup", classes="field-label", markup=False)
                yield Input(FIRST_NAME, id="setup-name", compact=True)
        yield LightButton("Start →", id="primary", variant="primary", compact=True)
        yield HintLine(fitting(FIRST_HINTS, START_ACTIONS, self.app.size.width - 2))

    def _welcome(self, *, is_known: bool = False) -> Content:
        """To whoever has a setup already it need not be told what this is."""
        told = Content.styled(TITLE, "bold $text-primary") + ("" if is_known else f"\n{WELCOME}")
        return told + Content.styled(f"\n\n{PRACTICE}", "$text-warning") if self.wizard.is_practice else told

    @property
    def wizard(self) -> "WizardApp":
        from screens.app import WizardApp

        assert isinstance(self.app, WizardApp)
        return self.app

    def on_mount(self) -> None:
        if self.wizard.is_practice:
            self.add_class("-practice")
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
        self.query("#start-problem").remove()

    async def show_setups(self, setups: "tuple[SetupRow, ...]") -> None:
        """The engine is there: the setups that were begun, and a live button."""
        await self._list(setups)
        await self._tell_steps()
        self.call_after_refresh(self.render_hints)
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

    async def _tell_steps(self) -> None:
        """What a large screen has room for; beneath the first frame, which does not wait for it."""
        if self.query("#steps"):
            return
        from screens.forms import FORMS

        lines = (f"{number}  {form.title:<22}{form.why}" for number, form in enumerate(FORMS.values(), 1))
        heading = Content.styled("The eight steps", "bold")
        await self.query_one("#body").mount(
            Static(heading + "\n" + "\n".join(lines), id="steps", markup=False)
        )

    def resized(self) -> None:
        if self._is_loaded:
            self.render_hints()

    def render_hints(self) -> None:
        """How to see what does not fit is told where it is so."""
        is_longer = self.query_one("#body", VerticalScroll).max_scroll_y > 0
        first = [*FIRST_HINTS, ("PgUp/PgDn Scroll", "")] if is_longer else FIRST_HINTS
        self.query_one(HintLine).show(fitting(first, START_ACTIONS, self.size.width - 2))

    def action_page(self, pages: int) -> None:
        body = self.query_one("#body", VerticalScroll)
        body.scroll_relative(y=pages * max(body.size.height - 2, 1), animate=False)

    async def _list(self, setups: "tuple[SetupRow, ...]") -> None:
        await self.query("#setups").remove()
        if not setups:
            return
        self.query_one("#welcome", Static).update(self._welcome(is_known=True))
        box = Vertical(id="setups")
        await self.query_one("#body").mount(box, before="#begin")
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
    def _line(row: "SetupRow") -> Button:
        from screens.render import clean

        far = "taken back" if row.is_undone else f"{row.steps_done} of {row.steps} steps"
        label = Content(clean(f"{row.name}: {far}, last touched {row.touched} UTC"))
        classes = "setup -undone" if row.is_undone else "setup"
        return SetupButton(label, name=row.name, classes=classes, compact=True)

    @staticmethod
    def _drift(row: "SetupRow") -> Static:
        return Static("    ▸ looking at what is there now …", name=row.name, classes="drift", markup=False)

    def show_drift(self, message: "Drifted") -> None:
        """What has become of it, beneath its line."""
        from screens.render import clean

        for line in self.query(".drift").results(Static):
            if line.name == message.setup:
                glyph = "✓" if message.is_well else "!"
                line.update(clean(f"    {glyph} {message.words}"))
                line.set_class(not message.is_well, "-off")

    def show_broken(self, problem: "Problem") -> None:
        """Nothing could be loaded, or the practice world did not start: the button tries once more."""
        self._is_broken = True
        self.show_problem(problem)
        self.query_one("#primary", Button).label = "Try again"

    def show_problem(self, problem: "Problem") -> None:
        from screens.render import problem_text

        width = max(self.size.width - 34, 20)
        told = problem_text(problem, width)
        if there := self.query("#start-problem"):
            there.first(Static).update(told)
        else:
            line = Static(told, id="start-problem", classes="field-problem", markup=False)
            self.query_one("#body").mount(line)
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
        from wizard.errors import Problem
        from wizard.rules import setup_name

        if problem := setup_name(name) if name else "A setup needs a name.":
            self.show_problem(Problem("setup-name", problem))
        else:
            self.wizard.open_setup(name)
