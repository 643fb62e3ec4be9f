"""Pull Secrets in the namespaces that the answers name: planned, written, taken back."""

from collections.abc import Iterator

from wizard import names, rules
from wizard.answers import Answers
from wizard.errors import NotFound, Problem, wizard_error
from wizard.events import StepId, Verb
from wizard.facts import ProofFacts, PullSecretFacts
from wizard.journal import Entry
from wizard.services.cluster import Cluster
from wizard.step import Change, Context, Plan, Receipt
from wizard.steps.htpasswd.login import is_right

WRITE, REMOVE = "write-pull-secret", "remove-pull-secret"
PULL_TYPE = "kubernetes.io/dockerconfigjson"


def look(ctx: Context) -> tuple[PullSecretFacts, ...]:
    """Each namespace that the answers name, and each that an earlier run wrote a Secret to."""
    wanted = ctx.answers.proof.pull_secret_namespaces
    written = [
        entry.change.params["namespace"]
        for entry in ctx.journal.standing(StepId.PROOF)
        if entry.change.action == WRITE
    ]
    return tuple(_see(ctx, namespace) for namespace in dict.fromkeys((*wanted, *written)))


def plan(answers: Answers, facts: ProofFacts) -> Plan:
    wanted = answers.proof.pull_secret_namespaces
    seen = {each.namespace: each for each in facts.pull_secrets}
    changes = []
    for namespace in wanted:
        found = seen.get(namespace)
        if found is None or not found.is_right:
            exists = found is not None and found.secret.exists
            changes.append(_write(answers, namespace, exists=exists))
    changes += [
        _remove(answers, each.namespace)
        for each in facts.pull_secrets
        if each.namespace not in wanted and each.secret.exists and each.secret.owner == answers.setup
    ]
    blockers = [problem for name in wanted if name in seen for problem in _blockers(answers, seen[name])]
    return Plan(tuple(changes), (), tuple(blockers))


def apply(ctx: Context, change: Change) -> Receipt:
    namespace = str(change.params["namespace"])
    cluster = ctx.services.cluster.in_namespace(namespace)
    if change.action == REMOVE:
        _delete(cluster, ctx.answers.setup)
        return {}
    kept = ctx.services.cluster.read_secret(names.CHECK_SECRET)
    if kept is None:
        raise wizard_error(
            "check-user-missing",
            f"The Secret {names.CHECK_SECRET} is not there, whose login Pods would pull with.",
            fix="Run the step htpasswd again.",
        )
    data = {names.DOCKER_CONFIG_KEY: kept.data[names.DOCKER_CONFIG_KEY]}
    written = cluster.write_secret(names.PULL_SECRET, data, setup=ctx.answers.setup, type=PULL_TYPE)
    return {"resource_version": written.resource_version}


def undo(ctx: Context, entry: Entry) -> str:
    if entry.change.action != WRITE:
        return "The pull Secret stays removed."
    namespace = str(entry.change.params["namespace"])
    cluster = ctx.services.cluster.in_namespace(namespace)
    where = f"{names.PULL_SECRET} in the namespace {namespace}"
    is_gone = _delete(cluster, ctx.answers.setup)
    return (
        f"The Secret {where} was deleted."
        if is_gone
        else f"The Secret {where} was gone already, or is not ours."
    )


def _see(ctx: Context, namespace: str) -> PullSecretFacts:
    cluster = ctx.services.cluster.in_namespace(namespace)
    if cluster.get("v1", "Namespace", namespace, namespaced=False) is None:
        return PullSecretFacts(namespace, namespace_exists=False)
    found = cluster.read_secret(names.PULL_SECRET)
    if found is None:
        return PullSecretFacts(namespace)
    own = ctx.services.cluster.read_secret(names.CHECK_SECRET)
    contents = found.data.get(names.DOCKER_CONFIG_KEY, b"")
    is_same = own is not None and contents == own.data.get(names.DOCKER_CONFIG_KEY)
    return PullSecretFacts(
        namespace,
        secret=found.facts,
        is_right=is_same and is_right(contents, ctx.answers.certificate.domain),
    )


def _write(answers: Answers, namespace: str, *, exists: bool) -> Change:
    return Change(
        WRITE,
        Verb.CHANGE if exists else Verb.CREATE,
        "Secret",
        names.PULL_SECRET,
        f"Secret {names.PULL_SECRET} in the namespace {namespace}: lets its Pods pull images",
        {"namespace": namespace},
        command=f"kubectl -n {namespace} create secret docker-registry {names.PULL_SECRET} "
        f"--docker-server={answers.certificate.domain} --docker-username={rules.CHECK_USER} "
        '--docker-password="$CHECK_PASSWORD"',
    )


def _remove(answers: Answers, namespace: str) -> Change:
    del answers
    return Change(
        REMOVE,
        Verb.DELETE,
        "Secret",
        names.PULL_SECRET,
        f"Remove the Secret {names.PULL_SECRET} from the namespace {namespace}, which is not named any more",
        {"namespace": namespace},
        command=f"kubectl -n {namespace} delete secret {names.PULL_SECRET}",
    )


def _blockers(answers: Answers, found: PullSecretFacts) -> Iterator[Problem]:
    leave = f"take {found.namespace} out of proof.pull_secret_namespaces"
    if not found.namespace_exists:
        yield Problem(
            "pull-namespace-missing",
            f"There is no namespace {found.namespace}.",
            "A pull Secret is made only in namespaces that are there.",
            f"Run kubectl create namespace {found.namespace}, or {leave}.",
        )
    elif found.secret.exists and found.secret.owner != answers.setup:
        whose = f"belongs to the setup {found.secret.owner}" if found.secret.owner else "is not this setup's"
        yield Problem(
            "pull-secret-there",
            f"The Secret {names.PULL_SECRET} in the namespace {found.namespace} {whose}.",
            "The wizard changes nothing there that it did not make.",
            f"Delete or rename it, or {leave}.",
        )


def _delete(cluster: Cluster, setup: str) -> bool:
    """Only while it is ours; False where there was nothing of ours."""
    try:
        if cluster.secret_facts(names.PULL_SECRET).owner != setup:
            return False
        return cluster.delete("v1", "Secret", names.PULL_SECRET)
    except NotFound:
        return False
