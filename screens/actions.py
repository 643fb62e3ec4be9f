"""The one registry of actions: it feeds key bindings, the hint line and the help."""

from dataclasses import dataclass

from textual.binding import Binding, BindingType


@dataclass(frozen=True, slots=True)
class Action:
    """`key` is Textual's name, `shown` what the hint line calls it; `is_hint`: it stands in that line."""

    key: str
    action: str
    label: str
    shown: str
    is_hint: bool = True

    def binding(self) -> Binding:
        return Binding(self.key, self.action, self.label, key_display=self.shown, priority=True)


STEP_ACTIONS = (
    Action("f2", "primary", "Apply / next", "F2"),
    Action("f1,ctrl+g", "help", "Help", "F1"),
    Action("f3", "advanced", "More fields", "F3"),
    Action("f5", "look", "Look again", "F5"),
    Action("escape", "back", "Back", "Esc"),
    Action("ctrl+q", "quit", "Quit", "^Q"),
)


def bindings(actions: tuple[Action, ...]) -> list[BindingType]:
    return [action.binding() for action in actions]


def hints(actions: tuple[Action, ...]) -> str:
    """One line of plain text: Textual's Footer would compose itself anew after the first paint."""
    return "  ".join(f"{action.shown} {action.label}" for action in actions if action.is_hint)
