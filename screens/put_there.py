"""The file that a CA will ask for, while the wizard waits for a person to put it on a web server."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Button, Static

from screens.render import clean
from wizard.events import FileWanted

COPIED = "Copied. Where your terminal does not take it: "


class FileBox(Vertical):
    """Takes no line while no file is wanted; its line is one widget, so that it can be selected by itself."""

    class Copied(Message):
        """The line was asked for."""

    def __init__(self) -> None:
        super().__init__(id="file-box")
        self.display = False

    def compose(self) -> ComposeResult:
        yield Static(id="file-told", markup=False)
        yield Static(id="file-line", markup=False)
        yield Button("C Copy the line", id="copy-line", variant="primary", compact=True)
        yield Static(id="file-kept", markup=False)

    def show(self, files: tuple[FileWanted, ...], kept: str) -> None:
        """The first that is still wanted; `kept` is what came of copying it."""
        self.display = bool(files)
        if not files:
            return
        more = f" ({len(files) - 1} more after it)" if len(files) > 1 else ""
        self.query_one("#file-told", Static).update(Content(f"! {clean(files[0].told)}{more}"))
        self.query_one("#file-line", Static).update(Content.styled(clean(files[0].content), "bold"))
        told = self.query_one("#file-kept", Static)
        told.update(Content(clean(kept)))
        told.display = bool(kept)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.post_message(self.Copied())
