"""Renewal: the next certificate, rolled out and seen served; else the former one is put back."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from wizard.engine import Engine
from wizard.errors import Cancelled, Problem, Refused, WizardError
from wizard.events import Noted, StepFinished, StepId, StepStarted, StepStatus
from wizard.facts import CertificateFacts, ChainFacts
from wizard.refusals import consent_needed
from wizard.step import Consent

if TYPE_CHECKING:
    from wizard.steps._acme_renew import Due


class Renewal(Engine):
    """An engine that renews: the same journal, the same steps, in another order."""

    def renew(self, *, if_due: bool = False) -> bool:
        """False where nothing is due. A renewal that was cut off is gone on with, due or not.

        Raises Refused before anything is changed, else the WizardError that stopped it.
        """
        from wizard.steps import _acme_renew, _deploy_renew

        facts, chain = self._present()
        deploy = self._context(StepId.DEPLOY)
        live = self._guarded(lambda: _deploy_renew.workload(deploy))
        serves = _deploy_renew.serial_of(live)
        if serves != chain.serial or self._was_cut_off(_deploy_renew.ROLL):
            self._tell(
                StepId.DEPLOY, "A renewal was cut off before its certificate was served: it is gone on with."
            )
            self._into_service(chain.serial)
            return True
        due = self._guarded(lambda: _acme_renew.when_due(self._context(StepId.CERTIFICATE)))
        if not due.is_now():
            if if_due:
                return False
            self._tell(StepId.CERTIFICATE, f"It is not due before {told(due)}; it is renewed all the same.")
        self._refuse_useless(facts)
        self._next_certificate(facts, chain, due)
        renewed = self._present()[1]
        self._into_service(renewed.serial)
        return True

    def change_account_key(self) -> None:
        """The ACME account goes on with another key."""
        from wizard.events import Verb
        from wizard.step import Change
        from wizard.steps._acme_plan import CHANGE_KEY

        facts, _ = self._present()
        if not facts.account_uri or facts.account_directory != facts.directory:
            raise Refused(
                Problem(
                    "no-account",
                    f"There is no account at {facts.directory} whose key could be changed.",
                    "This setup has never asked that CA for a certificate.",
                    "Nothing is to be done: an account is made when it is first needed.",
                )
            )
        change = Change(
            CHANGE_KEY,
            Verb.CHANGE,
            "ACME account",
            facts.account_uri,
            f"Give the account {facts.account_uri} another key",
            {"directory": facts.directory},
        )
        self._as_step(StepId.CERTIFICATE, partial(self._carry_out, StepId.CERTIFICATE, change))

    def _present(self) -> tuple[CertificateFacts, ChainFacts]:
        try:
            self.inspect([StepId.CERTIFICATE])
        except Cancelled:
            raise
        except WizardError as error:
            raise self._stopped(error.problem) from error
        facts = self.facts.certificate or CertificateFacts()
        if facts.chain is None:
            raise Refused(
                Problem(
                    "nothing-to-renew",
                    f"The setup {self.answers.setup} has no certificate yet.",
                    "It is not finished, or somebody removed the Secret.",
                    "Run `kube-registry apply`; it gets one.",
                )
            )
        return facts, facts.chain

    def _was_cut_off(self, roll: str) -> bool:
        """By a crash: a rollout that failed has been taken back, or told."""
        rolls = [entry for entry in self.journal.standing(StepId.DEPLOY) if entry.change.action == roll]
        return bool(rolls) and rolls[-1].state == "intended"

    def _refuse_useless(self, facts: CertificateFacts) -> None:
        """What stands in the way whatever the CA says."""
        from wizard.steps._acme_renew import way_of

        wanted, setup = self.answers.certificate, self.answers.setup
        if way_of(wanted) == "import":
            raise Refused(
                Problem(
                    "cannot-renew-import",
                    "Nobody can renew an imported certificate from here.",
                    "Its key and its issuer are not the wizard's.",
                    "Put the next one into the files and run `kube-registry apply`, or set "
                    '[certificate] renew_by = "dns-route53".',
                )
            )
        if not wanted.agree_tos:
            raise Refused(
                Problem(
                    "terms-not-agreed",
                    "The CA issues only to those who agree to its terms of service.",
                    "Only you can agree.",
                    "Read them, then set [certificate] agree_tos = true.",
                )
            )
        for secret in (facts.secret, facts.account_secret):
            if secret and secret.exists and secret.owner not in {"", setup}:
                raise Refused(
                    Problem(
                        "other-setup",
                        f"The Secret {secret.name} belongs to the setup {secret.owner}.",
                        "A namespace holds one setup.",
                        f"Go on with the setup {secret.owner}.",
                    )
                )
            consent = Consent(
                "adopt", "secrets", f"May the Secret {secret.name if secret else ''} be changed?"
            )
            if secret and secret.exists and not secret.owner and not consent.is_given(self.answers):
                raise Refused(consent_needed([consent]).problem)

    def _next_certificate(self, facts: CertificateFacts, chain: ChainFacts, due: "Due") -> None:
        """Refused as long as the CA has not been asked: then nothing was changed."""
        from wizard.steps._acme_plan import RENEW, needs_account, registration
        from wizard.steps._acme_renew import renewal

        def work() -> None:
            if needs_account(facts):
                self._carry_out(StepId.CERTIFICATE, registration(self.answers, facts))
                self.inspect([StepId.CERTIFICATE])
            change = renewal(self._context(StepId.CERTIFICATE), chain, facts.directory, due)
            self._carry_out(StepId.CERTIFICATE, change)

        try:
            self._as_step(StepId.CERTIFICATE, work)
        except Cancelled:
            raise
        except WizardError as error:
            begun = [e for e in self.journal.standing(StepId.CERTIFICATE) if e.change.action == RENEW]
            if isinstance(error, Refused) or (begun and "order" not in begun[-1].notes):
                raise Refused(error.problem) from error
            raise

    def _into_service(self, serial: str) -> None:
        try:
            self._as_step(StepId.DEPLOY, partial(self._roll, serial))
        except Cancelled:
            raise
        except WizardError as error:
            raise self._taken_back(error) from error

    def _roll(self, serial: str) -> None:
        from dataclasses import replace

        from wizard.steps import _deploy_renew

        context = self._context(StepId.DEPLOY)
        change = _deploy_renew.rolling(_deploy_renew.workload(context), serial)
        is_seen = self._guarded(lambda: _deploy_renew.is_seen(context))
        self._carry_out(StepId.DEPLOY, replace(change, params={**change.params, "is_seen": is_seen}))
        if not is_seen:
            self._tell(
                StepId.DEPLOY, "The load balancer cannot be reached from here: its Pods were looked at only."
            )
        self._tell(StepId.DEPLOY, self._guarded(lambda: _deploy_renew.see_served(context, serial)))

    def _taken_back(self, error: WizardError) -> WizardError:
        """What to tell once the former pair serves again, or if there is none that could."""
        from wizard.steps._acme_renew import restoring

        change = self._guarded(lambda: restoring(self._context(StepId.CERTIFICATE)))
        if change is None:
            return error
        former = str(change.params["serial"])
        self._as_step(StepId.CERTIFICATE, partial(self._carry_out, StepId.CERTIFICATE, change))
        self._present()
        self._as_step(StepId.DEPLOY, partial(self._roll, former))
        return WizardError(
            Problem(
                "renewal-taken-back",
                "The new certificate could not be brought into service, so the former one is served again.",
                f"{error.problem.what} {error.problem.why}".strip(),
                f"{error.problem.fix} The same command then tries that certificate again.".strip(),
                error.problem.raw,
            )
        )

    def _as_step(self, step: StepId, work: Callable[[], None]) -> None:
        """With the events that readers know a step by."""
        self.emit(StepStarted(step))
        try:
            work()
        except WizardError as error:
            self.emit(StepFinished(step, StepStatus.FAILED, error.problem))
            raise
        self.emit(StepFinished(step, StepStatus.DONE))

    def _tell(self, step: StepId, text: str) -> None:
        self.emit(Noted(step, text))


def told(due: "Due") -> str:
    """When it is renewed, and who says so."""
    by = "by the CA's own word" if due.is_by_ca else "when a third of its life is left"
    why = f", see {due.explanation}" if due.explanation else ""
    when = "now" if due.at <= datetime.now(UTC) else f"{due.at:%Y-%m-%d %H:%M} UTC"
    return f"{when}, {by}{why}"
