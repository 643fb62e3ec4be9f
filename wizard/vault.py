"""The secrets of this run: held in memory only, never written, masked wherever they might be shown."""

import os
import re
import secrets as random_source
from collections.abc import MutableMapping

from pydantic import SecretStr

from wizard import rules, secret_variables
from wizard.errors import Problem, Refused


class Vault:
    """Passwords by user, and secrets by the variable that may hold them.

    Thread-safe as far as dict operations are.
    """

    def __init__(self) -> None:
        self._passwords: dict[str, SecretStr] = {}
        self._secrets: dict[str, SecretStr] = {}
        self.generated: list[str] = []

    def set_password(self, user: str, password: str) -> None:
        """Raises Refused where the htpasswd file or bcrypt could not take it."""
        if reason := rules.password(password):
            raise Refused(
                Problem(
                    "bad-password",
                    f"The password of {user} cannot be used.",
                    reason,
                    "Choose another password.",
                )
            )
        self._passwords[user] = SecretStr(password)
        if user in self.generated:
            self.generated.remove(user)

    def generate(self, user: str) -> SecretStr:
        """A random password of 24 URL-safe characters; the user is remembered as having got one."""
        self._passwords[user] = SecretStr(random_source.token_urlsafe(18))
        if user not in self.generated:
            self.generated.append(user)
        return self._passwords[user]

    def keep(self, variable: str, secret: str) -> None:
        """A secret that is no password, known by the environment variable that may hold it."""
        self._secrets[variable] = SecretStr(secret)

    def secret(self, variable: str) -> SecretStr | None:
        """What was typed for it in this run, else the environment's; None where there is neither."""
        assert variable in secret_variables.OWN, "others would be handed on to the programs that are run"
        if typed := self._secrets.get(variable):
            return typed
        found = os.environ.get(variable, "")
        return SecretStr(found) if found else None

    def password(self, user: str) -> SecretStr | None:
        return self._passwords.get(user)

    def forget_written(self) -> None:
        """Once the lines are written and verified; a generated one is kept until it was shown."""
        for user in set(self._passwords) - set(self.generated):
            del self._passwords[user]

    def forget_shown(self, user: str) -> None:
        """A generated one that has been told, and whose line is written: nothing asks for it again."""
        if user in self.generated:
            self.generated.remove(user)
            self._passwords.pop(user, None)

    def known(self) -> tuple[str, ...]:
        return tuple(self._passwords)

    def read_environment(self, users: list[str], environ: MutableMapping[str, str]) -> None:
        """Takes KUBE_REGISTRY_PASSWORD_<USER>; raises Refused where two users share a variable.

        Takes all of them out of the environment too: no child process is to inherit them.
        """
        seen: dict[str, str] = {}
        for user in users:
            variable = rules.password_variable(user)
            if variable in seen:
                raise Refused(
                    Problem(
                        "password-variable-shared",
                        f"The users {seen[variable]} and {user} share the variable {variable}.",
                        "Capital letters and characters other than letters and digits fall together.",
                        "Rename one of the two users.",
                    )
                )
            seen[variable] = user
            if variable in environ:
                self.set_password(user, environ[variable])
        for variable in [name for name in environ if name.startswith(secret_variables.PASSWORD_PREFIX)]:
            del environ[variable]

    def values(self) -> tuple[str, ...]:
        """Every secret of this run, for whoever has to blot them out."""
        found = (*self._passwords.values(), *self._secrets.values())
        return tuple(each.get_secret_value() for each in found)

    def masked(self, text: str) -> str:
        """The text with every password of this run blotted out."""
        for secret in (*self._passwords.values(), *self._secrets.values()):
            text = re.sub(re.escape(secret.get_secret_value()), "********", text)
        return text
