"""The htpasswd step: people and their passwords, which are typed here and kept in memory only."""

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Button, Input, Static

from screens.frame import StepScreen
from screens.modals import TextModal
from screens.render import clean, problem_text
from wizard.errors import Problem, WizardError


class PeopleScreen(StepScreen):
    """Adds and removes users; a password goes straight into the vault of this run."""

    def compose_fields(self) -> ComposeResult:
        with Horizontal(classes="field-line"):
            yield Static("User name", classes="field-label", markup=False)
            yield Input(placeholder="such as alice", id="user-name", compact=True)
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

    def on_mount(self) -> None:
        super().on_mount()
        self._show_users()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.input.id == "user-name":
            self.query_one("#user-password").focus()
        else:
            self._add()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "add-user":
            event.stop()
            self._add()
        elif event.button.has_class("remove-user"):
            event.stop()
            self._put([user for user in self._users() if user != event.button.name])
        else:
            super().on_button_pressed(event)

    def _users(self) -> list[str]:
        return list(self.wizard.session.document["htpasswd"]["users"])

    def _add(self) -> None:
        name, password = self.query_one("#user-name", Input), self.query_one("#user-password", Input)
        user = name.value.strip()
        vault = self.wizard.session.vault
        if not user or vault is None:
            self._tell(Problem("user-name-missing", "Type a user name first."))
            return
        if problem := self._put([*(each for each in self._users() if each != user), user]):
            self._tell(problem)
            return
        try:
            if password.value:
                vault.set_password(user, password.value)
            else:
                made = vault.generate(user).get_secret_value()
                text = f"{user}\n{made}\n\nIt is shown this once. Note it now."
                self.app.push_screen(TextModal("Generated password", text))
        except WizardError as error:
            self._tell(error.problem)
            return
        self._tell(None)
        name.value = password.value = ""
        name.focus()
        self._changed()

    def _put(self, users: list[str]) -> Problem | None:
        problem = self.wizard.session.put("htpasswd", "users", users)
        if problem is None:
            self._changed()
        return problem

    def _changed(self) -> None:
        self.wizard.forget(self.step)
        self._show_users()
        self.action_look()

    def _tell(self, problem: Problem | None) -> None:
        self.query_one("#user-problem", Static).update(problem_text(problem) if problem else "")

    def _show_users(self) -> None:
        box = self.query_one("#users", Vertical)
        vault = self.wizard.session.vault
        box.remove_children()
        for user in self._users():
            is_known = vault is not None and vault.password(user) is not None
            told = "password typed" if is_known else "as it stands in the file"
            line = Horizontal(
                Static(clean(f"  {user}  ({told})"), classes="user-line", markup=False),
                Button("Remove", name=user, classes="remove-user", compact=True),
                classes="field-line",
            )
            box.mount(line)
