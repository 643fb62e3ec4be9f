"""The one registry of actions: it feeds key bindings, the hint line and the help."""

from collections.abc import Iterable
from dataclasses import dataclass

from textual.binding import Binding, BindingType


@dataclass(frozen=True, slots=True)
class Action:
    """`key` is Textual's name, `shown` what the hint line calls it; `is_hint`: it stands in that line.

    `is_first`: it goes before what the focused control would do with the key.
    """

    key: str
    action: str
    label: str
    shown: str
    is_hint: bool = True
    is_first: bool = True

    def binding(self) -> Binding:
        return Binding(self.key, self.action, self.label, key_display=self.shown, priority=self.is_first)

    @property
    def clicked(self) -> str:
        """The action for a click on a widget of the screen."""
        return self.action if self.action.startswith("app.") else f"screen.{self.action}"


QUIT = Action("ctrl+q", "app.quit", "Quit", "^Q")
LOG = Action("f9,ctrl+l", "app.log", "Log", "F9")
PALETTE = Action("ctrl+p", "app.command_palette", "Menu", "^P")
MORE = Action("f3", "advanced", "More fields", "F3")
COMMANDS = Action("f4", "commands", "By hand", "F4")
CHANGE = Action("f6", "change", "Change", "F6")
PICK = Action("f7,alt+down", "pick", "List", "F7", is_hint=False)
UNDO = Action("f8", "undo", "Undo", "F8")
MOVES = (
    Action("tab", "move(1)", "Next field", "Tab", is_hint=False),
    Action("shift+tab", "move(-1)", "Field before", "Shift+Tab", is_hint=False),
    Action("down", "move(1)", "Next field", "↓", is_hint=False, is_first=False),
    Action("up", "move(-1)", "Field before", "↑", is_hint=False, is_first=False),
)
COPY_LINE = Action("c", "copy_line", "Copy the line", "C", is_first=False)
PAGES = (
    Action("pageup", "page(-1)", "Page up", "PgUp", is_hint=False),
    Action("pagedown", "page(1)", "Page down", "PgDn", is_hint=False),
)
PRIMARY = Action("f2", "primary", "Apply / next", "F2", is_hint=False)
HELP = Action("f1,ctrl+g", "help", "Help", "F1")
BACK = Action("escape", "back", "Back", "Esc")
STOP = Action("escape", "back", "Stop", "Esc")
LOOK = Action("f5", "look_again", "Look again", "F5")
APP_ACTIONS = (QUIT, LOG, PALETTE)
STEP_ACTIONS = (
    PRIMARY,
    COPY_LINE,
    HELP,
    MORE,
    BACK,
    COMMANDS,
    CHANGE,
    UNDO,
    LOOK,
    PALETTE,
    LOG,
    QUIT,
    Action("enter", "enter", "Take the answer", "Enter", is_hint=False),
    *PAGES,
    *MOVES,
)


def bindings(actions: Iterable[Action]) -> list[BindingType]:
    return [action.binding() for action in actions]
