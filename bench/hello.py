"""The minimal Textual app that the wizard's first frame is compared with."""

from textual.app import App, ComposeResult
from textual.widgets import Input, Static


class Hello(App[None]):
    def compose(self) -> ComposeResult:
        yield Static("Hello")
        yield Input(placeholder="one")
        yield Input(placeholder="two")


if __name__ == "__main__":
    Hello().run()
