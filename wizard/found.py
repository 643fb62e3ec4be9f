"""What stands and is marked as a setup's own, though its journal does not know it: pure, from facts.

A journal can be lost, or the setup be gone on with from another machine. What apply then finds as wanted
leaves nothing to do, and undo would know of nothing: so it is recorded as if this run had made it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from wizard import names, ownership
from wizard.answers import Answers
from wizard.events import StepId, Verb
from wizard.facts import BucketFacts, DeployFacts, DnsFacts, FactBook, HtpasswdFacts, SecretFacts, UserFacts
from wizard.step import Change, Receipt

if TYPE_CHECKING:
    from wizard.journal import Entry


@dataclass(frozen=True, slots=True)
class Found:
    """A change that must have been made once, with the receipt that its undo needs."""

    change: Change
    receipt: Receipt = field(default_factory=dict)


def found(step: StepId, answers: Answers, book: FactBook, known: Sequence["Entry"]) -> list[Found]:
    """In the order of making; `known` are the step's entries that count as remembered."""
    if step not in _FINDERS or book.get(step) is None:
        return []
    remembered = {_thing(entry.change) for entry in known if not _only_changes(entry.change)}
    return [each for each in _FINDERS[step](answers, book) if _thing(each.change) not in remembered]


def _thing(change: Change) -> tuple[str, str]:
    """What was made, however it came about."""
    return _SAME.get(change.action, change.action), change.kind


_SAME = {"tag-bucket": "create-bucket", "tag-user": "create-user", "import-certificate": "issue-certificate"}


def _only_changes(change: Change) -> bool:
    """Such an entry is taken back with the one that made the object, so it does not stand for it."""
    return change.verb is Verb.CHANGE and change.action in {"apply-service", "apply-workload"}


def _bucket(answers: Answers, book: FactBook) -> Iterator[Found]:
    """One that was there before only loses its mark again: what it had been set to is not known."""
    from wizard.steps._bucket_plan import plan_bucket

    seen = book.bucket or BucketFacts()
    if seen.state != "mine" or seen.owner != answers.setup:
        return
    if _was_there(answers, "bucket") or not answers.bucket.create:
        bare = {key: value for key, value in seen.tags.items() if key != ownership.TAG}
        planned, action = plan_bucket(answers, replace(seen, owner="", tags=bare)), "tag-bucket"
    else:
        blank = BucketFacts(name=seen.name, aws_region=seen.aws_region)
        planned, action = plan_bucket(answers, blank), "create-bucket"
    yield from (Found(change) for change in planned.changes if change.action == action)


def _user(answers: Answers, book: FactBook) -> Iterator[Found]:
    from wizard.steps._user_plan import plan_user

    seen, setup = book.user or UserFacts(), answers.setup
    has_user = seen.user_owner == setup and not seen.user_elsewhere
    is_from_here = bool(seen.home) and seen.policy_tags.get(ownership.PLACE_TAG) == seen.home
    has_policy = seen.policy_owner == setup and is_from_here
    is_ours = {"create-user": has_user, "tag-user": has_user, "create-policy": has_policy}
    holds_ours = _is_of(setup, seen.secret) and bool(seen.secret_access_key_id)
    is_ours |= {
        "attach-policy": seen.policy_is_attached and (has_user or has_policy),
        "create-access-key": holds_ours,
    }
    blank = UserFacts(policy_arn=seen.policy_arn, home=seen.home)
    if _was_there(answers, "user") or not answers.user.create:
        blank = replace(blank, user_exists=seen.user_exists)
    key = {"access_key_id": seen.secret_access_key_id, "secret": answers.user.secret_name}
    for change in plan_user(answers, blank).changes:
        if is_ours.get(change.action):
            yield Found(change, key if change.action == "create-access-key" else {})


def _certificate(answers: Answers, book: FactBook) -> Iterator[Found]:
    seen, domain = book.certificate, answers.certificate.domain
    if seen is None:
        return
    if _is_of(answers.setup, seen.account_secret):
        params = {"directory": seen.account_directory, "existed": False}
        name = names.ACME_ACCOUNT_SECRET
        yield Found(_made("register-account", "ACME account", name, f"the Secret {name}", params))
    if _is_of(answers.setup, seen.secret):
        what = f"the certificate for {domain} in the Secret {names.CERTIFICATE_SECRET}"
        serial = {"serial": seen.chain.serial} if seen.chain else {}
        yield Found(_made("issue-certificate", "certificate", domain, what, {"existed": False}), serial)


def _htpasswd(answers: Answers, book: FactBook) -> Iterator[Found]:
    seen = book.htpasswd or HtpasswdFacts()
    for action, name, secret in (
        ("write-check-secret", names.CHECK_SECRET, seen.check_secret),
        ("write-file", names.HTPASSWD_SECRET, seen.secret),
    ):
        if _is_of(answers.setup, secret):
            yield Found(_made(action, "Secret", name, f"the Secret {name}", {"existed": False}))


def _deploy(answers: Answers, book: FactBook) -> Iterator[Found]:
    from wizard.steps import _deploy_objects as objects
    from wizard.steps._deploy_plan import plan_deploy

    seen, setup = book.deploy or DeployFacts(), answers.setup
    blank = replace(book, deploy=DeployFacts(s3_endpoint=seen.s3_endpoint))
    live: Mapping[str, Any] = {
        "Service": seen.service,
        "Deployment": seen.deployment,
        "ReplicationController": seen.replication_controller,
    }
    for change in plan_deploy(answers, blank).changes:
        if change.action == "write-http-secret" and _is_of(setup, seen.http_secret):
            yield Found(change)
        its = live.get(change.kind)
        if change.action not in {"apply-service", "apply-workload"} or its is None:
            continue
        if objects.owner(its) == setup:
            is_adopted = change.kind == "Service" and _was_there(answers, "service")
            yield Found(replace(change, verb=Verb.ADOPT) if is_adopted else change)


def _dns(answers: Answers, book: FactBook) -> Iterator[Found]:
    """A record cannot be marked: it is ours if it leads to our own balancer."""
    from wizard.steps import _deploy_objects as objects
    from wizard.steps._dns_plan import plan_dns
    from wizard.steps._dns_records import are_right

    seen, deploy, domain = book.dns or DnsFacts(), book.deploy or DeployFacts(), answers.certificate.domain
    if answers.dns.provider != "route53" or deploy.balancer is None or deploy.service is None:
        return
    is_ours = objects.owner(deploy.service) == answers.setup
    if not is_ours or not are_right(seen.records, domain, deploy.balancer):
        return
    made = [dict(record.record_set) for record in seen.records]
    for change in plan_dns(answers, replace(book, dns=replace(seen, records=()))).changes:
        yield Found(change, {"made": made})


def _made(action: str, kind: str, name: str, what: str, params: Mapping[str, Any]) -> Change:
    return Change(action, Verb.CREATE, kind, name, f"Make {what}", params)


def _was_there(answers: Answers, what: str) -> bool:
    """Only with this consent can a thing have been adopted."""
    return what in answers.consent.adopt


def _is_of(setup: str, secret: SecretFacts | None) -> bool:
    return secret is not None and secret.exists and secret.owner == setup


_FINDERS: Mapping[StepId, Callable[[Answers, FactBook], Iterable[Found]]] = {
    StepId.BUCKET: _bucket,
    StepId.USER: _user,
    StepId.CERTIFICATE: _certificate,
    StepId.HTPASSWD: _htpasswd,
    StepId.DEPLOY: _deploy,
    StepId.DNS: _dns,
}
