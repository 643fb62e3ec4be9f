"""What a program owes its terminal, whatever it shows: colours, glyphs, a palette, a log, a clean end."""

import asyncio
import os
import signal
import sys
import termios
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from textual.actions import SkipAction
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.filter import LineFilter, Monochrome
from textual.screen import Screen
from textual.theme import Theme
from textual.widgets import Input

from screens import themes
from screens.glyphs import Ascii, Plain, is_ascii_wanted
from screens.sized import SizedScreen
from wizard.resources import assets

if TYPE_CHECKING:
    from screens.log import Book
    from wizard.events import Event

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STYLES = assets() / "styles" / "wizard.tcss"
LONGEST_END_S = 8.0
"""A terminal that has gone takes no output, and a program that waits for it would never end."""
# Reports of mouse, focus, paste and size off, line wrap on, keyboard protocol and screen left, a cursor.
RESTORED = (
    b"\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l"
    b"\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l"
)


class Manners(App[int]):
    """The base of the app; it knows no step."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "interrupt", "Quit", show=False, system=True, priority=True),
        Binding("ctrl+z", "suspend_process", "To the shell", show=False, system=True, priority=True),
        Binding("f9,ctrl+l", "log", "Log", show=False, priority=True),
    ]

    def __init__(self) -> None:
        self.set_reactive(App.theme, themes.chosen())  # first: Textual makes its colours but once then
        super().__init__()
        self._stand_ins: list[LineFilter] = [Ascii()] if is_ascii_wanted() else []
        self._plain: dict[str, Plain] = {}
        self._is_log_open = False
        self._book: Book | None = None

    # Colours and glyphs

    @property
    def available_themes(self) -> dict[str, Theme]:
        """Ours are there before anything was registered."""
        return {theme.name: theme for theme in themes.THEMES} | getattr(self, "_registered_themes", {})

    def dress(self) -> None:
        """Loads the styles of all but the first screen, once; Screen.CSS_PATH would parse all styles anew."""
        if not self.stylesheet.has_source(str(STYLES), ""):
            self.stylesheet.read(STYLES)
            self.stylesheet.parse()

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Textual's answer to NO_COLOR is grey, which is a colour still."""
        found = [each for each in super().get_line_filters() if not isinstance(each, Monochrome)]
        if self.no_color:
            background = self.theme_variables["background"]
            found.append(self._plain.setdefault(background, Plain(background)))
        return [*found, *self._stand_ins]

    def use_theme(self, name: str) -> None:
        """From now on, and at the next start."""
        self.theme = name
        try:
            themes.save(name)
        except OSError as error:
            self.notify(f"The colours hold for this run only: {error.strerror}.", severity="warning")

    # The palette

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """What can be done on this screen now, and what is the terminal's."""
        if isinstance(screen, SizedScreen):
            for each in screen.offered:
                yield SystemCommand(each.label, f"Key {each.shown}", self._pressed(screen, each.action))
        yield SystemCommand("Log", "Show or hide what happened (key F9)", self.action_log)
        for name, title in themes.TITLES.items():
            if name != self.theme:
                yield SystemCommand(title, "Kept for the next start", lambda name=name: self.use_theme(name))
        yield SystemCommand("Quit", "All that was done is saved (key ^Q)", self.action_quit)

    def _pressed(self, screen: SizedScreen, action: str) -> Callable[[], object]:
        return lambda: self.call_later(self.run_action, action, screen)

    # The log

    def note(self, event: "Event") -> None:
        """Keeps what happened, and shows it where the log is open."""
        from screens.log import Drawer

        fresh = self._open_book().take(event)
        for drawer in self.screen.query(Drawer) if fresh else ():
            drawer.write_lines(fresh)

    def action_log(self) -> None:
        """Opens or closes it; it stays as it is from step to step."""
        if isinstance(self.screen, SizedScreen):
            self._is_log_open = not self._is_log_open
            self.show_log(self.screen)

    def show_log(self, screen: SizedScreen) -> None:
        """As this screen has to have it: called when one opens, too."""
        from screens.log import Drawer

        there = screen.query(Drawer)
        if not self._is_log_open:
            there.remove()
        elif not there:
            self.dress()
            screen.mount(
                Drawer(self._open_book()), before="#buttons" if screen.query("#buttons") else "#primary"
            )

    def _open_book(self) -> "Book":
        from screens.log import Book

        self._book = self._book or Book()
        return self._book

    # The end

    def mind_signals(self) -> None:
        """A hang-up, a SIGTERM and a SIGINT end as Quit does, without a question."""
        if self.is_headless:
            return
        loop = asyncio.get_running_loop()
        for number in ENDINGS:
            loop.add_signal_handler(number, self.end_now)

    def end_now(self) -> None:
        """The screen is left, the job in hand is asked to stop, and the journal says what was done."""
        from wizard.errors import ExitCode

        manners = getattr(self._driver, "attrs_before", None)
        backstop = threading.Timer(LONGEST_END_S, _break_off, [manners])
        backstop.daemon = True
        backstop.start()
        self.let_go()
        self.exit(int(ExitCode.INTERRUPTED), return_code=int(ExitCode.INTERRUPTED))

    def let_go(self) -> None:
        """Ends what goes on behind the screen."""

    async def action_interrupt(self) -> None:
        """Ctrl-C asks as Quit does, and a second one is an answer; over selected text it copies."""
        from screens.modals import QuitModal

        if (isinstance(self.focused, Input) and self.focused.selected_text) or self.screen.selections:
            raise SkipAction
        if isinstance(self.screen, QuitModal):
            self.end_now()
        else:
            await self.action_quit()

    def action_suspend_process(self) -> None:
        """Stops the whole job, as a terminal does: a shell waits for `make` if that started us."""
        if self._driver is not None and self._driver.can_suspend:
            self.app_suspend_signal.publish(self)
            os.killpg(os.getpgrp(), signal.SIGTSTP)


def _break_off(manners: list[Any] | None) -> None:
    """Ends at once, and gives the terminal back as far as it takes anything."""
    from wizard.errors import ExitCode

    with suppress(OSError, termios.error):
        if sys.__stderr__ is not None:
            terminal = sys.__stderr__.fileno()
            os.set_blocking(terminal, False)
            with suppress(OSError):
                os.write(terminal, RESTORED)
            os.set_blocking(terminal, True)  # the shell shares it
            if manners is not None:
                termios.tcsetattr(terminal, termios.TCSANOW, manners)
    os._exit(int(ExitCode.INTERRUPTED))
