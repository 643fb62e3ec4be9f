"""The htpasswd step: people and their passwords, which are typed here and kept in memory only."""

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Input, Static

from screens.frame import StepScreen
from screens.modals import TextModal
from screens.render import clean, problem_text
from wizard import rules
from wizard.errors import Problem, WizardError


class PeopleScreen(StepScreen):
    """Adds and removes users; a password goes straight into the vault of this run."""

    def compose_fields(self) -> ComposeResult:
        with Horizontal(classes="field-line"):
            yield Static("User name", classes="field-label", markup=False)
            yield Input(placeholder="such as alice; empty: that is all", id="user-name", compact=True)
        with Horizontal(classes="field-line"):
            yield Static("Password", classes="field-label", markup=False)
            yield Input(
                placeholder="empty: one is generated", password=True, id="user-password", compact=True
            )
        with Horizontal(classes="field-line"):
            yield Static("", classes="field-label", markup=False)
            yield Button("Add user", id="add-user", compact=True)
        yield Static(id="user-problem", classes="field-problem", markup=False)
        yield Vertical(id="users")

    def first_focus(self) -> None:
        self._show_users()
        self.set_focus(self.query_one("#primary" if self.view.is_verified else "#user-name"))

    def enter(self, field: Input) -> None:
        """Enter goes from the name to the password, adds the user, and with no name carries the step out."""
        if field.id == "user-password":
            self._add()
        elif field.value.strip():
            self.set_focus(self.query_one("#user-password"))
        else:
            self.set_focus(self.query_one("#primary"))
            self.action_primary()

    def enter_hint(self, field: Input) -> str:
        if field.id == "user-password":
            return "Add the user"
        if field.value.strip():
            return "To the password"
        primary = str(self.query_one("#primary", Button).label)
        return "No more users" if primary.endswith("…") else primary.removesuffix(" →")

    def action_primary(self) -> None:
        """A name that was typed and not added would be lost unseen."""
        name = self.query_one("#user-name", Input)
        if user := name.value.strip():
            what = f"{user} is not added yet."
            self._tell(
                Problem("not-added", what, "", "Press Enter in the password field, or clear the name.")
            )
            self.set_focus(self.query_one("#user-password"))
            return
        super().action_primary()

    def on_input_changed(self) -> None:
        """What htpasswd or bcrypt could not take is told while it is typed."""
        self._tell(self._wrong())
        self.render_hints()

    def _wrong(self) -> Problem | None:
        name, password = self.query_one("#user-name", Input).value.strip(), self._password
        if name and (reason := rules.htpasswd_user(name)):
            return Problem("bad-answer", "This name cannot be used.", reason, "Correct it.")
        if password and (reason := rules.password(password)):
            return Problem("bad-answer", "This password cannot be used.", reason, "Choose another password.")
        return None

    @property
    def _password(self) -> str:
        return self.query_one("#user-password", Input).value

    def action_help(self) -> None:
        """These two fields are in no form."""
        keys = {"user-name": "users", "user-password": "password"}
        key = keys.get(getattr(self.focused, "id", None) or "")
        self.wizard.show_help(self.step, ("htpasswd", key) if key else None)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Textual calls the handler of the class above as well."""
        if event.button.id == "add-user":
            event.stop()
            self._add()
        elif event.button.has_class("remove-user"):
            event.stop()
            users = [user for user in self._users() if user != event.button.name]
            self._tell(self.wizard.session.put("htpasswd", "users", users))
            self.set_focus(self.query_one("#user-name"))
            self._changed()

    def _users(self) -> list[str]:
        return list(self.wizard.session.document["htpasswd"]["users"])

    def _add(self) -> None:
        name, password = self.query_one("#user-name", Input), self.query_one("#user-password", Input)
        user = name.value.strip()
        problem = self._take(user, password.value) if user else Problem("no-name", "Type a user name first.")
        self._tell(problem)
        if problem is None:
            name.value = password.value = ""
            self._changed()
        self.set_focus(name)

    def _take(self, user: str, password: str) -> Problem | None:
        session = self.wizard.session
        former = self._users()
        if problem := session.put("htpasswd", "users", [*(each for each in former if each != user), user]):
            return problem
        assert session.vault is not None
        try:
            if password:
                session.vault.set_password(user, password)
            else:
                made = session.vault.generate(user).get_secret_value()
                text = f"{user}\n{made}\n\nIt is shown this once. Note it now, then press Enter."
                self.app.push_screen(TextModal("Generated password", text))
        except WizardError as error:
            session.put("htpasswd", "users", former)
            return error.problem
        return None

    def _changed(self) -> None:
        self.wizard.forget(self.step)
        self._show_users()
        self.action_look()

    def _tell(self, problem: Problem | None) -> None:
        width = max(self.query_one("#fields").size.width - 26, 20)
        shown = problem_text(problem, width) if problem else Content("")
        self.query_one("#user-problem", Static).update(shown)

    def _show_users(self) -> None:
        box = self.query_one("#users", Vertical)
        vault = self.wizard.session.vault
        box.remove_children()
        for user in self._users():
            told = "keeps the password it has"
            if vault is not None and vault.password(user) is not None:
                told = "password generated" if user in vault.generated else "password typed"
            line = Horizontal(
                Static(clean(f"{user}  ({told})"), classes="user-line", markup=False),
                Button("Remove", name=user, classes="remove-user", compact=True),
                classes="field-line",
            )
            box.mount(line)
