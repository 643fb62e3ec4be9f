"""How the CA is shown that the domain is the operator's: one class a method, one life a certificate."""

from collections.abc import Sequence
from typing import Protocol

from wizard.journal import Entry
from wizard.services import webroot
from wizard.services.acme import Challenge
from wizard.step import Check, Context

MANUAL = "manual"


class Method(Protocol):
    """`open` makes ready, `checks` try the way before the CA is asked; `cleanup` always runs.

    `perform` shows one proof, `settle` waits until all that were shown can be seen.
    """

    kind: str
    """The challenges it meets: http-01 or dns-01."""

    def open(self) -> None: ...

    def checks(self) -> Sequence[Check]: ...

    def perform(self, challenge: Challenge) -> None: ...

    def settle(self) -> None: ...

    def cleanup(self) -> None: ...


def method_for(ctx: Context, entry: Entry, name: str) -> Method:
    """`name` is one of the answers' methods that ask a CA."""
    if name == "dns-route53":
        from wizard.steps._acme_dns import InRoute53

        return InRoute53(ctx, entry)
    from wizard.steps._acme_http import ByHand, ByItself, InWebroot

    if name == "standalone":
        return ByItself(ctx)
    return ByHand(ctx) if ctx.answers.certificate.webroot == MANUAL else InWebroot(ctx, entry)


def kind_of(method: str) -> str:
    """The challenge that a method meets."""
    return "dns-01" if method == "dns-route53" else "http-01"


def clean_after(ctx: Context, entry: Entry) -> None:
    """Removes what a run that was cut off has left: files in a webroot, values of TXT records."""
    files, directories = entry.notes.get("files"), entry.notes.get("directories")
    if isinstance(files, list) and isinstance(directories, list | tuple):
        webroot.clean(map(str, files), map(str, directories))
    if entry.notes.get("txt"):
        from wizard.steps._acme_dns import remove_left

        remove_left(ctx, entry)
