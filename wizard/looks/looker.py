"""The one door for screens: looks at the world for a field, remembers for a while, lists and suggests.

All that is heavy is imported where it is first used: a screen asks `has_look` before any SDK is loaded.
"""

import importlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from wizard.answers import Answers
from wizard.errors import WizardError
from wizard.looks.answer import Choice, Look, Verdict, of_error, unknown

if TYPE_CHECKING:
    from wizard.services import Services

Key = tuple[str, str]
Current = Callable[[], "tuple[Answers, Services]"]

REMEMBERED_S = 10.0
MOST_REMEMBERED = 200
MOST_AT_ONCE = 6
"""A server that does not answer holds a look for some seconds; those behind it wait, most for nothing."""

_LOOKS: dict[Key, str] = {
    ("connect", "aws_profile"): "cloud.profile",
    ("connect", "aws_region"): "cloud.region",
    ("connect", "kube_context"): "places.context",
    ("connect", "namespace"): "places.namespace",
    ("bucket", "name"): "cloud.bucket",
    ("user", "name"): "cloud.user",
    ("user", "policy"): "cloud.policy",
    ("user", "permissions_boundary"): "cloud.boundary",
    ("user", "secret_name"): "places.secret",
    ("certificate", "domain"): "domains.domain",
    ("certificate", "webroot"): "files.webroot",
    ("certificate", "cert_file"): "files.certificate",
    ("certificate", "key_file"): "files.private_key",
    ("certificate", "pkcs12_file"): "files.pkcs12",
    ("certificate", "directory"): "files.directory",
    ("dns", "hosted_zone_id"): "domains.hosted_zone",
    ("dns", "aws_profile"): "cloud.zone_profile",
    ("proof", "pull_secret_namespaces"): "places.pull_namespaces",
}
_EMPTY_MEANS = frozenset(
    {
        ("connect", "aws_profile"),
        ("connect", "aws_region"),
        ("connect", "kube_context"),
        ("dns", "aws_profile"),
    }
)
"""Fields that are answered by being left empty."""
_LISTS: dict[Key, str] = {
    ("connect", "aws_profile"): "profiles",
    ("connect", "aws_region"): "regions",
    ("connect", "kube_context"): "contexts",
    ("connect", "namespace"): "namespaces",
    ("bucket", "name"): "buckets",
    ("user", "name"): "users",
    ("user", "policy"): "policies",
    ("user", "permissions_boundary"): "boundaries",
    ("certificate", "domain"): "domains",
    ("dns", "hosted_zone_id"): "zones",
    ("dns", "aws_profile"): "profiles",
    ("proof", "pull_secret_namespaces"): "namespaces",
}
_DEFAULTS = frozenset(
    {
        ("connect", "aws_profile"),
        ("connect", "aws_region"),
        ("connect", "kube_context"),
        ("certificate", "domain"),
        ("certificate", "webroot"),
    }
)
_SHARED = ("connect", "dns")
"""Tables whose answers every look may build on, beside the field's own."""


def has_look(table: str, key: str) -> bool:
    """Whether the world has a say in this field."""
    return (table, key) in _LOOKS


def has_list(table: str, key: str) -> bool:
    """Whether there is a list to pick the answer from."""
    return (table, key) in _LISTS


def has_default(table: str, key: str) -> bool:
    """Whether there may be a first answer for this field."""
    return (table, key) in _DEFAULTS


class Looker:
    """Thread-safe; its methods ask the world and belong in threads. Nothing here changes anything.

    `current` gives answers and clients of the run, `secret` what was typed for a variable.
    """

    def __init__(self, current: Current, secret: Callable[[str], SecretStr | None]) -> None:
        from wizard.looks.doors import Doors

        self._doors = Doors(current, secret)
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._known: OrderedDict[str, tuple[float, Look]] = OrderedDict()
        self._suggested: set[Key] = set()

    def known(self, table: str, key: str, answers: Answers) -> Look | None:
        """What was found for these answers some seconds ago; asks nothing."""
        with self._lock:
            found = self._known.get(_mark(table, key, answers))
        return found[1] if found and time.monotonic() - found[0] < REMEMBERED_S else None

    def at(
        self, table: str, key: str, answers: Answers, is_wanted: Callable[[], bool] = lambda: True
    ) -> Look | None:
        """None where there is nothing to ask, or nobody wants to know any more."""
        value = getattr(getattr(answers, table), key)
        if not has_look(table, key) or not (value or (table, key) in _EMPTY_MEANS):
            return None
        if found := self.known(table, key, answers):
            return found
        with self._slots:
            if not is_wanted():
                return None
            found = self._look(table, key, answers)
        if found.verdict is not Verdict.UNKNOWN:
            self._remember(_mark(table, key, answers), found)
        return found

    def pages(self, table: str, key: str, answers: Answers) -> Iterator[list[Choice]]:
        """The list, page by page; closing the iterator ends it. Raises WizardError."""
        work = _named(f"lists.{_LISTS[table, key]}")
        yield from work(answers, self._doors)

    def default(self, table: str, key: str, answers: Answers) -> str:
        """A first answer, offered once; "" where there is none, or it cannot be found out."""
        with self._lock:
            if (table, key) in self._suggested:
                return ""
            self._suggested.add((table, key))
        try:
            return str(_named(f"defaults.{key}")(answers, self._doors))
        except WizardError:
            return ""

    def close(self) -> None:
        """Frees the connections of clients that were made for looks only."""
        self._doors.close()

    def _look(self, table: str, key: str, answers: Answers) -> Look:
        from wizard.checks import unexpected

        try:
            found: Look = _named(_LOOKS[table, key])(answers, self._doors)
        except WizardError as error:
            return of_error(error)
        except Exception as error:  # noqa: BLE001 - a sentence beneath the field, and the step looks again
            return unknown(unexpected(error, "It could not be looked at.").what)
        return found

    def _remember(self, mark: str, look: Look) -> None:
        with self._lock:
            self._known[mark] = (time.monotonic(), look)
            self._known.move_to_end(mark)
            while len(self._known) > MOST_REMEMBERED:
                self._known.popitem(last=False)


def _named(name: str) -> Any:
    module, _, function = name.partition(".")
    return getattr(importlib.import_module(f"wizard.looks.{module}"), function)


def _mark(table: str, key: str, answers: Answers) -> str:
    shown = answers.model_dump_json(include={"setup", table, *_SHARED})
    return f"{table}.{key} {answers.certificate.domain} {shown}"
