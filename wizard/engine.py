"""Order, gating, resume and undo: the one way in which steps are carried out, with or without a screen.

The engine is synchronous; a screen runs it in a thread of its own and reads the events. It changes nothing
that a plan has not named, and records every change before it is made.
"""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TypeVar

from wizard import answers as answers_module
from wizard.answers import Answers
from wizard.checks import GOOD, run_checks, unexpected
from wizard.drift import drift_checks
from wizard.endpoints import Endpoints
from wizard.errors import Cancelled, Problem, Refused, WizardError
from wizard.events import (
    STEPS,
    VERSION,
    ChangeFailed,
    ChangeFinished,
    ChangeStarted,
    CheckStatus,
    Emit,
    Event,
    Noted,
    StepFinished,
    StepId,
    StepStarted,
    StepStatus,
    Verb,
    to_json,
)
from wizard.facts import FactBook
from wizard.found import found
from wizard.journal import Entry, Journal
from wizard.keeper import Keeper
from wizard.parallel import side_by_side
from wizard.place import Place, Side, Sight, homes, look
from wizard.polling import NotReady, WaitedTooLong
from wizard.refusals import answer_missing, bucket_in_use, consent_needed
from wizard.services import Services, load
from wizard.state import SetupDirectory
from wizard.step import Change, Check, CheckResult, Context, Plan, Step
from wizard.steps import all_steps
from wizard.traffic import Request, during
from wizard.vault import Vault

Value = TypeVar("Value")

SEEN_WITHIN_S = 60.0
AHEAD = "apply-service"
"""A new load balancer takes AWS minutes, so this change of deploy is made before the certificate is."""


class Engine:
    """One setup, one run at a time. `answers` may be replaced between steps by `use`.

    With `follows_record` the answers that another machine has used since come before this one's.
    """

    def __init__(
        self,
        directory: SetupDirectory,
        answers: Answers,
        services: Services,
        *,
        emit: Emit,
        vault: Vault | None = None,
        cancel: threading.Event | None = None,
    ) -> None:
        self.directory = directory
        self.answers = answers
        self.services = services
        self.journal: Journal = directory.journal()
        self.follows_record = False
        self.vault = vault or Vault()
        self.cancel = cancel or threading.Event()
        self.facts = FactBook()
        self.has_changed_anything = False
        self._emit_to = emit
        services.endpoints.traffic.goes_to(self._heard)
        self._changed_since_read: set[StepId] = set()
        self._sight: Sight | None = None
        self._keep: Callable[[], None] | None = None
        self._keeper = Keeper(
            directory,
            self.journal,
            answers,
            services,
            lambda text: self.emit(Noted(StepId.CONNECT, text)),
            lambda: (self.facts.connect.clock_skew_s if self.facts.connect else None) or 0.0,
        )

    # Looking

    def inspect(self, wanted: Iterable[StepId] = STEPS) -> FactBook:
        """Reads the world for each step, side by side; the earliest step's error is raised.

        What connect found stands in the way goes first: it says more than what then fails because of it.
        With connect goes the record in the cluster; where that is ahead of the journal all is read again.
        """
        steps = list(wanted)
        try:
            self._see(steps)
        finally:
            is_news = StepId.CONNECT in steps and self._keeper.merge()
        if StepId.CONNECT in steps and (self._follow() or is_news):
            self._see(steps)
        return self.facts

    def catch_up(self) -> None:
        """Learns what other machines have done; raises Held where one of them is at it."""
        self._keeper.look()
        self._keeper.merge()
        self._follow()
        self._keeper.refuse_if_held()

    def kept(self) -> AbstractContextManager[None]:
        """Around changes that belong together: the lock in the cluster is held from the first to the end."""
        return self._keeper.kept()

    def _follow(self) -> bool:
        """Takes the answers that another machine has used since, where that is wanted."""
        newer = self._keeper.newer_answers() if self.follows_record else None
        if newer is None:
            return False
        self.directory.save_answers(newer)
        full = answers_module.with_environment(newer, os.environ)
        self.services.close()
        self.use(full, Services(full, Endpoints.gather(full.endpoints, os.environ)))
        return True

    def _see(self, wanted: Sequence[StepId]) -> None:
        load()
        steps = [all_steps()[step] for step in wanted]
        seen: set[StepId] = set()

        def see(step: Step) -> Callable[[], None]:
            def work() -> None:
                with during(step.id):
                    self.facts.put(step.id, self._guarded(lambda: step.inspect(self._context(step.id))))
                self._changed_since_read.discard(step.id)
                seen.add(step.id)

            return work

        besides = [self._locate, self._keeper.look] if StepId.CONNECT in wanted else []
        try:
            side_by_side([*(see(step) for step in steps), *besides])
        except Cancelled:
            raise
        except WizardError as error:
            if StepId.CONNECT in seen and self.facts.connect:
                for problem in self.facts.connect.problems:
                    raise self._stopped(problem) from error
            raise

    def plan(self, step: StepId) -> Plan:
        """Pure: from the answers and what was last seen."""
        plan = all_steps()[step].plan(self.answers, self.facts)
        facts = self.facts.get(step)
        problems = facts.problems if facts else ()
        if step is StepId.CONNECT and (moved := self._moved()):
            problems = (moved, *problems)
        needed = tuple(consent for consent in plan.consents if not consent.is_given(self.answers))
        return Plan(plan.changes, needed, _unique((*problems, *plan.blockers)), plan.notes)

    def survey(self) -> Mapping[StepId, Plan]:
        """Looks at all eight steps and plans each; raises Refused where answers are missing."""
        for _, key in answers_module.missing(self.answers):
            raise Refused(answer_missing(key))
        try:
            self.inspect()
        except Cancelled:
            raise
        except WizardError as error:
            raise Refused(error.problem) from error
        return {step: self.plan(step) for step in STEPS}

    def users_without_password(self) -> list[str]:
        """Users who stand in no htpasswd line yet and whose password this run does not know."""
        seen = self.facts.htpasswd.users if self.facts.htpasswd else ()
        return [u for u in self.answers.htpasswd.users if u not in seen and not self.vault.password(u)]

    def statuses(self) -> Mapping[StepId, StepStatus]:
        """How each step stands, from the last inspection and the journal."""
        return {step: self._status(step) for step in STEPS}

    def _status(self, step: StepId) -> StepStatus:
        entries = self.journal.entries(step)
        standing = [entry for entry in entries if entry.state != "undone"]
        if entries and not standing:
            return StepStatus.UNDONE
        facts = self.facts.get(step)
        if facts is None:
            return StepStatus.WAITING
        verified = self.journal.last_verified(step)
        plan = self.plan(step)
        if not plan.changes and not plan.blockers and not plan.consents:
            return StepStatus.DONE if verified and not self._must_probe(step) else StepStatus.WAITING
        if any(entry.state == "intended" for entry in standing):
            return StepStatus.INTERRUPTED
        if verified is None:
            return StepStatus.WAITING
        lost = any(change.verb is Verb.CREATE for change in plan.changes)
        return StepStatus.MISSING if lost else StepStatus.CHANGED

    # Doing

    def apply(
        self,
        provide: Callable[[Sequence[str]], None] | None = None,
        keep: Callable[[], None] | None = None,
        saving: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """All steps in order; `provide` is asked for passwords that only the operator can give.

        `keep` is called right before these are written: a generated one must be known outside from then on.
        `saving` is entered once nothing is left to be asked, around all that is done.
        Raises Refused before anything is changed, else the WizardError that stopped it.
        """
        plans, self._keep = dict(self.survey()), keep
        self._keeper.refuse_if_held()
        if provide and (users := self.users_without_password()):
            provide(users)
            self.inspect([StepId.HTPASSWD])
            plans[StepId.HTPASSWD] = self.plan(StepId.HTPASSWD)
        for plan in plans.values():
            for problem in plan.blockers:
                raise Refused(problem)
        open_consents = [consent for plan in plans.values() for consent in plan.consents]
        if open_consents:
            for step, plan in plans.items():
                self.emit(plan.event(step))
            raise consent_needed(open_consents)
        with saving():
            self._carry_out_all(plans)

    def apply_step(self, step: StepId) -> None:
        """Inspects, plans, applies and verifies one step; raises WizardError where it did not get through."""
        self.emit(StepStarted(step))
        try:
            with self._keeper.kept():
                self._apply_step(step)
        except WizardError as error:
            self.emit(StepFinished(step, StepStatus.FAILED, error.problem))
            raise
        self.emit(StepFinished(step, StepStatus.DONE))

    def _apply_step(self, step: StepId) -> None:
        if self.facts.get(step) is None or self._changed_since_read:
            self.inspect([step])
        plan = self.plan(step)
        self.emit(plan.event(step))
        for problem in plan.blockers:
            raise self._stopped(problem)
        if plan.consents:
            raise consent_needed(plan.consents)
        self._remember(step, self.journal.standing(step))
        if step is StepId.HTPASSWD and plan.changes and self._keep:
            self._keep()
        for change in plan.changes:
            self._carry_out(step, change)
        if plan.changes:
            self._read_back(step)
        self._verify(step, has_changed=bool(plan.changes))
        if step is StepId.HTPASSWD:
            self.vault.forget_written()

    def check(self, *, push: bool = False) -> bool:
        """Every verification that only reads, and the proof with `push`; True if all is well."""
        plans = self.survey()
        self._keeper.refuse_if_held()
        results = self._verify_all(plans, push=push, is_strict=False)
        return all(result.status is not CheckStatus.FAILED for result in results)

    def to_undo(self, first: StepId = STEPS[0]) -> list[Entry]:
        """What stands of this step and later ones, as it is taken back: the last step first, newest first."""
        standing = [e for e in self.journal.standing() if STEPS.index(e.step) >= STEPS.index(first)]
        return sorted(standing, key=lambda e: (STEPS.index(e.step), e.number), reverse=True)

    def prepare_undo(self) -> None:
        """Looks, and remembers what the journal has never known; raises Refused where that is of no use."""
        self._look_before_undo()
        assert self._sight is not None
        if moved := self._moved():
            raise Refused(moved)
        self._keeper.refuse_if_held()
        for problem in self._sight.unseen.values():
            if not self.journal.entries():
                raise Refused(problem)  # there may be anything
            return
        for step in STEPS:
            plan = self.plan(step)
            if not plan.blockers and not plan.consents:
                self._remember(step, self.journal.entries(step))

    def undo(self, *, delete_bucket: str = "", first: StepId = STEPS[0]) -> list[Problem]:
        """Takes back what the journal says, the last step first; returns what had to be left, and why.

        `first` and all steps after it are taken back, and are to be verified again.

        Raises Refused where the setup lives elsewhere, or nothing of it can be reached from here.
        """
        self.prepare_undo()
        entries = self.to_undo(first)
        out_of_reach = [problem for entry in entries if (problem := self._out_of_reach(entry))]
        if entries and len(out_of_reach) == len(entries):
            raise Refused(out_of_reach[0])
        with self._keeper.kept():
            left = self._take_all_back(entries, delete_bucket)
            for step in STEPS[STEPS.index(first) :]:
                self.journal.doubted(step)
            if not self.journal.standing() and self._is_in_sight(Side.CLUSTER):
                left += self._without_record()
        return left

    def use(self, answers: Answers, services: Services) -> None:
        """Goes on with other answers; what was seen before is forgotten."""
        self.answers, self.services = answers, services
        services.endpoints.traffic.goes_to(self._heard)
        self.facts = FactBook()
        self._sight = None
        self._keeper.use(answers, services)

    def snippets(self) -> tuple[str, ...]:
        """Commands to copy that use the registry as the answers describe it."""
        from wizard.steps.proof import snippets

        programs = [name for name in ("docker", "skopeo") if shutil.which(name)]
        return snippets(self.answers, self.services.endpoints, programs)

    def has_done_anything(self) -> bool:
        """Whether this run has changed, or remembered, what undo will have to know of."""
        return self.has_changed_anything or bool(self.journal.begun)

    def emit(self, event: Event) -> None:
        """To the reader of this run and to the setup's log."""
        self.directory.log(to_json(event, _now()))
        self._emit_to(event)

    def _heard(self, request: Request) -> None:
        """To the setup's log only; what says nothing is left out."""
        told = {key: value for key, value in asdict(request).items() if value not in {"", 0}}
        self.directory.log({"v": VERSION, "event": "request", "time": _now(), **told})

    # Inside

    def _carry_out_all(self, plans: Mapping[StepId, Plan]) -> None:
        if any(plan.changes for plan in plans.values()):
            with self._keeper.kept():
                for step in STEPS:
                    self.apply_step(step)
                    if step is StepId.CONNECT:
                        self._begin_balancer()
            return
        for step in STEPS:
            self._remember(step, self.journal.standing(step))
        self._verify_all(plans)
        if self._keeper.lags():
            self._keeper.update()
        self._keeper.sweep()

    def _begin_balancer(self) -> None:
        """Only where there is no registry yet: what is there serves somebody until deploy has its turn."""
        step = StepId.DEPLOY
        plan = self.plan(step)
        new = {change.action: change for change in plan.changes if change.verb is Verb.CREATE}
        if not new.keys() >= {AHEAD, "apply-workload"} or plan.blockers or plan.consents:
            return
        try:
            self._carry_out(step, new[AHEAD])
            self.inspect([step])
        except WizardError as error:
            self.emit(StepFinished(step, StepStatus.FAILED, error.problem))
            raise

    def _carry_out(self, step: StepId, change: Change) -> None:
        if self.cancel.is_set():
            raise Cancelled
        self._settle()
        with self._keeper.kept():
            if step is not StepId.CONNECT:
                self._keeper.hold()
            self._do(step, change)

    def _do(self, step: StepId, change: Change) -> None:
        self.emit(ChangeStarted(step, change.summary))
        started = time.monotonic()
        self.has_changed_anything = True
        self._changed_since_read.add(step)
        try:
            with during(step), self.journal.intend(step, change) as entry:
                context = self._context(step)
                entry.done(self._guarded(lambda: all_steps()[step].apply(context, change, entry)))
        except WizardError as error:
            self.emit(ChangeFailed(step, change.summary, error.problem))
            raise
        self.emit(ChangeFinished(step, change.summary, _since(started)))

    def _read_back(self, step: StepId) -> None:
        """Until what was done is seen: IAM and S3 may answer for a while as if it had not been.

        What is never seen is for the checks to tell.
        """
        self.inspect([step])
        if not self.plan(step).changes:
            return

        def agrees() -> bool:
            self.inspect([step])
            if left := self.plan(step).changes:
                raise NotReady(f"not seen yet: {left[0].summary}")
            return True

        with suppress(WaitedTooLong):
            self._context(step).wait(agrees, what="what was done to be seen", deadline_s=SEEN_WITHIN_S)

    def _verify(self, step: StepId, *, has_changed: bool) -> None:
        may_write = has_changed or self._must_probe(step)
        results = self._run_checks(step, self._checks(step), may_write=may_write)
        for result in results.values():
            if result.status is CheckStatus.FAILED:
                raise WizardError(result.problem or Problem("check-failed", result.detail))
        if may_write:
            self.journal.verified(step, probed=self._probed(step))

    def _verify_all(
        self, plans: Mapping[StepId, Plan], *, push: bool = False, is_strict: bool = True
    ) -> list[CheckResult]:
        """All steps' checks at once; strict: the first failure is raised."""
        found: dict[StepId, list[CheckResult]] = {}

        def work(step: StepId) -> Callable[[], None]:
            def run() -> None:
                self.emit(StepStarted(step))
                drift = drift_checks(plans[step])
                upkeep = () if is_strict else self._upkeep(step)
                probes = (push and step is StepId.PROOF) or (is_strict and self._must_probe(step))
                checks = self._run_checks(step, (*drift, *self._checks(step), *upkeep), may_write=probes)
                found[step] = list(checks.values())
                if probes and all(result.status in GOOD for result in found[step]):
                    self.journal.verified(step, probed=self._probed(step))
                bad = next((r for r in found[step] if r.status is CheckStatus.FAILED), None)
                status = StepStatus.CHANGED if bad else StepStatus.DONE
                self.emit(StepFinished(step, status, bad.problem if bad else None))

            return run

        first, last = [step for step in STEPS if step is not StepId.PROOF], StepId.PROOF
        side_by_side([work(step) for step in first])
        work(last)()
        results = [result for step in STEPS for result in found[step]]
        for result in results:
            if is_strict and result.status is CheckStatus.FAILED:
                raise WizardError(result.problem or Problem("check-failed", result.detail))
        return results

    def _checks(self, step: StepId) -> tuple[Check, ...]:
        with during(step):
            return self._guarded(lambda: all_steps()[step].verify(self._context(step)))

    def _upkeep(self, step: StepId) -> tuple[Check, ...]:
        """What `check` says besides: whether what has to be done again and again can be done."""
        from wizard.steps._acme_upkeep import upkeep_checks

        return upkeep_checks(self._context(step)) if step is StepId.CERTIFICATE else ()

    def _run_checks(
        self, step: StepId, checks: tuple[Check, ...], *, may_write: bool
    ) -> Mapping[str, CheckResult]:
        proven = self.journal.last_verified(step)
        when = f"proven {proven['time'][:16].replace('T', ' ')} UTC" if proven else "not proven yet"
        return run_checks(
            step,
            checks,
            self.emit,
            self.cancel,
            may_write=may_write,
            why_not=f"Writes for a moment, so it is not repeated ({when}).",
        )

    def _must_probe(self, step: StepId) -> bool:
        last = self.journal.last_verified(step)
        return last is None or last.get("probed") != self._probed(step)

    def _probed(self, step: StepId) -> str:
        return all_steps()[step].probed(self.answers, self.facts)

    def _take_all_back(self, entries: Sequence[Entry], delete_bucket: str) -> list[Problem]:
        """What had to be left, and why."""
        left: list[Problem] = []
        for entry in entries:
            if self.cancel.is_set():
                raise Cancelled
            if self._is_in_sight(Side.CLUSTER):
                self._keeper.hold()
            summary = f"Undo: {entry.change.summary}"
            self.emit(ChangeStarted(entry.step, summary))
            started = time.monotonic()
            try:
                told = self._take_back(entry, delete_bucket)
            except Cancelled:
                raise
            except WizardError as error:
                left.append(error.problem)
                self.emit(ChangeFailed(entry.step, summary, error.problem))
                continue
            entry.undone()
            self.has_changed_anything = True
            self.emit(Noted(entry.step, told))
            self.emit(ChangeFinished(entry.step, summary, _since(started)))
        return left

    def _without_record(self) -> list[Problem]:
        """Takes the cluster's copy of the record away; why that could not be done."""
        try:
            self._keeper.remove()
        except Cancelled:
            raise
        except WizardError as error:
            return [error.problem]
        return []

    def _is_in_sight(self, side: Side) -> bool:
        return self._sight is not None and side not in self._sight.unseen

    def _take_back(self, entry: Entry, delete_bucket: str) -> str:
        """Only where it is known to be the place: elsewhere nothing is found, which looks like gone."""
        if problem := self._out_of_reach(entry):
            raise WizardError(problem)
        if entry.step is StepId.BUCKET and (users := self._users_of_the_bucket()):
            raise WizardError(bucket_in_use(entry.change.name, users))
        away = [p for side in homes(entry.step, entry.change.action) if (p := self._away(side))]
        step, context = all_steps()[entry.step], self._context(entry.step)
        with during(step.id):
            told = self._guarded(lambda: step.undo(context, entry, delete_bucket=delete_bucket))
        if away:
            raise WizardError(away[0])
        return told

    def _remember(self, step: StepId, known: Sequence[Entry]) -> None:
        """Records what is marked as ours, and as wanted, but not among what is known of it."""
        for each in found(step, self.answers, self.facts, known):
            self._settle()
            with self.journal.intend(step, each.change) as entry:
                entry.note(found=True)
                entry.done(each.receipt)
            self.emit(Noted(step, f"Found as this setup's own, and remembered: {each.change.summary}"))

    def _look_before_undo(self) -> None:
        """Undo asks for facts of its own; what cannot be seen now is left unknown."""
        for step in STEPS:
            try:
                self.inspect([step])
            except Cancelled:
                raise
            except WizardError:
                continue
        if self._sight is None:
            self._locate()

    def _locate(self) -> None:
        self._sight = self._guarded(lambda: look(self.answers, self.services))

    def _moved(self) -> Problem | None:
        place = self.journal.place()
        here = self._sight.place if self._sight else Place(self.answers.connect.namespace)
        return place.moved_to(here, self.answers.setup) if place else None

    def _out_of_reach(self, entry: Entry) -> Problem | None:
        sides = homes(entry.step, entry.change.action)
        return self._away(sides[0]) if sides else None

    def _users_of_the_bucket(self) -> list[str]:
        """What was left of the workload and of its rights: as long as it stands, images may come and go."""
        left = [*self.journal.standing(StepId.DEPLOY), *self.journal.standing(StepId.USER)]
        return [entry.change.summary for entry in left]

    def _away(self, side: Side) -> Problem | None:
        """Why one side cannot be taken for the one that the setup was made on."""
        assert self._sight is not None
        if side in self._sight.unseen:
            return self._sight.unseen[side]
        place = self.journal.place()
        if side is not Side.ZONE or place is None:
            return None
        return place.zone_moved_to(self._sight.place, self.answers.setup)

    def _settle(self) -> None:
        """Remembers where the next change is made; raises where that is not where the setup lives."""
        if self._sight is None or self._sight.unseen:
            self._locate()
        assert self._sight is not None
        for side in (Side.AWS, Side.CLUSTER):
            if side in self._sight.unseen:
                raise self._stopped(self._sight.unseen[side])
        if moved := self._moved():
            raise self._stopped(moved)
        place = self.journal.place()
        known = place.filled(self._sight.place) if place else self._sight.place
        if known != place:
            self.journal.placed(known)

    def _stopped(self, problem: Problem) -> WizardError:
        return WizardError(problem) if self.has_changed_anything else Refused(problem)

    def _context(self, step: StepId) -> Context:
        return Context(
            step, self.answers, self.services, self.facts, self.journal, self.vault, self.emit, self.cancel
        )

    @staticmethod
    def _guarded(work: Callable[[], Value]) -> Value:
        """Our own mistakes become a sentence too; their text is dropped, it could hold a secret."""
        try:
            return work()
        except (WizardError, KeyboardInterrupt):
            raise
        except OSError as error:
            raise WizardError(
                Problem(
                    "system-error",
                    "The system refused something.",
                    f"{error.strerror or error}.",
                    "Mend that, then run the same command again.",
                )
            ) from error
        except Exception as error:
            raise WizardError(
                unexpected(error, "Something went wrong that the wizard did not foresee.")
            ) from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _unique(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    return tuple(dict.fromkeys(problems))


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)
