"""Plans the Kubernetes objects from answers and facts, without looking at anything."""

from collections.abc import Mapping
from typing import Any

from wizard import by_hand, manifests, names, ownership
from wizard.answers import Answers
from wizard.errors import Problem
from wizard.events import Verb
from wizard.facts import BalancerFacts, DeployFacts, FactBook
from wizard.manifests import Inputs, Manifest
from wizard.step import Change, Consent, Plan
from wizard.steps import _deploy_objects as objects

BALANCER_COST = "about $20 a month for the load balancer, and $0.006 to $0.008 a GB"
SCHEME_WORDS = {"internet-facing": "reachable from the internet", "internal": "inside your network only"}


def inputs_of(answers: Answers, facts: FactBook) -> Inputs:
    """What earlier steps have found; empty where they were not looked at, which only a plan ahead meets."""
    connect, bucket, user, certificate = facts.connect, facts.bucket, facts.user, facts.certificate
    aws_region = (bucket and bucket.aws_region) or (connect and connect.aws_region)
    return Inputs(
        aws_region=aws_region or answers.connect.aws_region,
        certificate_serial=certificate.chain.serial if certificate and certificate.chain else "",
        access_key_id=user.secret_access_key_id if user else "",
        http_secret_mark=_http_secret_mark(facts.deploy or DeployFacts()),
        s3_endpoint=facts.deploy.s3_endpoint if facts.deploy else "",
    )


def plan_deploy(answers: Answers, facts: FactBook) -> Plan:
    """Empty once all objects are as wanted, the Pods are ready and the balancer has an address."""
    seen = facts.deploy or DeployFacts()
    inputs = inputs_of(answers, facts)
    wanted = manifests.workload(answers, inputs)
    live = live_workloads(seen)
    foreign = [kind for kind, found in live.items() if found and objects.owner(found) != answers.setup]
    blockers = _blockers(answers, facts, seen)
    changes = [
        *_http_secret(answers, seen),
        *_service(answers, seen, _wanted_service(answers, facts)),
        *_workload(answers, seen, wanted, foreign),
    ]
    if changes or _is_waiting(seen, wanted):
        changes.append(_waiting(answers))
    other = next(kind for kind in objects.WORKLOADS if kind != wanted["kind"])
    if live[other]:
        changes.append(_removal(answers, other, is_foreign=other in foreign))
    service = _wanted_service(answers, facts)
    consents = _consents(seen, (service, wanted), foreign) if changes else ()
    return Plan(tuple(changes), consents, blockers, _notes(answers, facts, inputs, seen))


def needs_other_balancer(answers: Answers, found: BalancerFacts | None) -> bool:
    """Whether the balancer is of another kind or scheme: the cloud's controllers turn none into another."""
    deploy = answers.deploy
    has_other_kind = found is not None and deploy.load_balancer not in {"auto", found.kind}
    return found is not None and (has_other_kind or found.scheme != deploy.scheme)


def live_workloads(seen: DeployFacts) -> Mapping[str, Mapping[str, Any] | None]:
    return {"Deployment": seen.deployment, "ReplicationController": seen.replication_controller}


def _has_http_secret(seen: DeployFacts) -> bool:
    secret = seen.http_secret
    return bool(secret and secret.exists and names.HTTP_SECRET_KEY in secret.keys)


def _http_secret_mark(seen: DeployFacts) -> str:
    """The secret's own, else the one it will get: another than those of Pods that still use a former one."""
    if _has_http_secret(seen):
        return seen.http_secret_mark
    used = [objects.template_annotations(live).get(manifests.HTTP_SECRET, "0") for live in _live(seen)]
    return str(max((int(mark) for mark in used if mark.isdecimal()), default=0) + 1)


def _live(seen: DeployFacts) -> list[Mapping[str, Any]]:
    return [live for live in live_workloads(seen).values() if live]


def _http_secret(answers: Answers, seen: DeployFacts) -> list[Change]:
    secret = seen.http_secret
    if _has_http_secret(seen):
        return []
    return [
        Change(
            "write-http-secret",
            Verb.CHANGE if secret and secret.exists else Verb.CREATE,
            "Secret",
            names.HTTP_SECRET,
            "Store a random secret that all Pods share, so that any of them can go on with an upload",
            {"mark": _http_secret_mark(seen)},
            command=f"kubectl -n {answers.connect.namespace} create secret generic {names.HTTP_SECRET} "
            f'--from-literal={names.HTTP_SECRET_KEY}="$(openssl rand -hex 32)"',
        )
    ]


def _wanted_service(answers: Answers, facts: FactBook) -> Manifest:
    return manifests.service(answers, facts.connect.balancer_controller if facts.connect else "")


def _service(answers: Answers, seen: DeployFacts, wanted: Manifest) -> list[Change]:
    live = seen.service
    what = f"a load balancer, {SCHEME_WORDS[answers.deploy.scheme]}, that passes port 443 to the registry"
    params: dict[str, Any] = {"manifest": wanted}
    command = by_hand.applied(wanted, answers.connect.namespace)
    if live is None:
        summary = f"Make the Service {names.REGISTRY}: {what}"
        return [
            _change("apply-service", Verb.CREATE, "Service", summary, params, BALANCER_COST, command),
        ]
    differing = manifests.differences(wanted, live)
    if not differing:
        return []
    params |= {"differences": list(differing)}
    is_foreign = not objects.owner(live)
    if needs_other_balancer(answers, seen.balancer):
        summary = f"Make the Service {names.REGISTRY} anew, with {what}; it gets another name"
        params |= {"is_new_balancer": True}
    elif is_foreign:
        summary = f"Adopt the Service {names.REGISTRY}: {what}"
    else:
        summary = f"Change the Service {names.REGISTRY}: {', '.join(differing)}"
    verb = Verb.ADOPT if is_foreign else Verb.CHANGE
    return [_change("apply-service", verb, "Service", summary, params, command=command)]


def _workload(answers: Answers, seen: DeployFacts, wanted: Manifest, foreign: list[str]) -> list[Change]:
    kind = wanted["kind"]
    live = live_workloads(seen)[kind]
    deploy = answers.deploy
    params: dict[str, Any] = {"manifest": wanted}
    namespace = answers.connect.namespace
    command = by_hand.applied(wanted, namespace)
    if live is None or kind in foreign:
        summary = f"Make {objects.shown(kind)}: {deploy.replicas} x {deploy.image}"
        removal = [_removal(answers, kind, is_foreign=True)] if live else []
        return [*removal, _change("apply-workload", Verb.CREATE, kind, summary, params, command=command)]
    changes = []
    differing = manifests.differences(wanted, live)
    if differing:
        summary = f"Change {objects.shown(kind)}: {_told(differing)}"
        params |= {"differences": list(differing)}
        changes.append(_change("apply-workload", Verb.CHANGE, kind, summary, params, command=command))
    digest = manifests.template_digest(wanted)
    if kind == "ReplicationController" and any(found != digest for found in seen.pod_digests.values()):
        summary = "Replace the Pods one by one: a ReplicationController does not do so by itself"
        pods = f"{ownership.INSTANCE}={answers.setup}"
        command = f"kubectl -n {namespace} delete pod --selector {pods}"
        changes.append(_change("replace-pods", Verb.CHANGE, "Pods", summary, params, command=command))
    return changes


def _is_waiting(seen: DeployFacts, wanted: Manifest) -> bool:
    live = live_workloads(seen)[wanted["kind"]]
    digest = manifests.template_digest(wanted)
    return not (seen.balancer_hostname and objects.is_rolled_out(live, digest, seen.pod_digests.values()))


def _waiting(answers: Answers) -> Change:
    summary = "Wait until the Pods are ready and the load balancer leads to them"
    kubectl = f"kubectl -n {answers.connect.namespace}"
    if answers.deploy.workload == "Deployment":
        command = f"{kubectl} rollout status deployment/{names.REGISTRY}"
    else:
        command = f"{kubectl} wait pod --selector {ownership.INSTANCE}={answers.setup} --for condition=Ready"
    command += f"\n{kubectl} get service {names.REGISTRY} --watch"
    return _change("await-registry", Verb.KEEP, "Pods", summary, command=command)


def _removal(answers: Answers, kind: str, *, is_foreign: bool) -> Change:
    kept = "; a copy is kept for undo" if is_foreign else ""
    return _change(
        "remove-workload",
        Verb.DELETE,
        kind,
        f"Remove {objects.shown(kind)} that is there now{kept}",
        {"kind": kind, "keeps_copy": is_foreign},
        command=f"kubectl -n {answers.connect.namespace} delete {kind.lower()} {names.REGISTRY}",
    )


def _change(
    action: str,
    verb: Verb,
    kind: str,
    summary: str,
    params: Mapping[str, Any] | None = None,
    cost: str = "",
    command: str = "",
) -> Change:
    return Change(action, verb, kind, names.REGISTRY, summary, params or {}, cost, command)


def _consents(
    seen: DeployFacts, wanted: tuple[Manifest, Manifest], foreign: list[str]
) -> tuple[Consent, ...]:
    consents = []
    secret = seen.http_secret
    if secret and secret.exists and not secret.owner and names.HTTP_SECRET_KEY not in secret.keys:
        question = f"The Secret {names.HTTP_SECRET} is there, but this setup did not make it. Write into it?"
        consents.append(Consent("adopt", "secrets", question))
    if seen.service and not objects.owner(seen.service):
        question = f"The Service {names.REGISTRY} is there, but this setup did not make it. Change it?"
        consents.append(Consent("adopt", "service", question))
    if foreign:
        question = (
            f"{' and '.join(objects.shown(kind) for kind in foreign).capitalize()} is there, but this setup "
            "did not make it. Replace it? The registry is away for a moment; undo brings the old one back."
        )
        consents.append(Consent("adopt", "workload", question))
    if held := _held(seen, *wanted, foreign):
        question = f"Others hold fields that would change: {held}. Take these over?"
        consents.append(Consent("take_over_fields", "true", question))
    return tuple(consents)


def _held(seen: DeployFacts, service: Manifest, wanted: Manifest, foreign: list[str]) -> str:
    """Other managers' fields in objects of ours; what is adopted is taken over as a whole."""
    pairs = []
    if seen.service and objects.owner(seen.service):
        pairs.append((service, seen.service))
    live = live_workloads(seen)[wanted["kind"]]
    if live and wanted["kind"] not in foreign:
        pairs.append((wanted, live))
    holders = [holder for pair in pairs for holder in manifests.conflicts(*pair)]
    return "; ".join(f"{holder.manager} holds {holder.path}" for holder in holders)


def _blockers(answers: Answers, facts: FactBook, seen: DeployFacts) -> tuple[Problem, ...]:
    blockers = []
    found = {"Service": seen.service, **live_workloads(seen)}
    for kind, live in found.items():
        other = objects.owner(live) if live else ""
        if other and other != answers.setup:
            blockers.append(_of_other_setup(kind, other))
    controller = modern_controller(facts)
    if answers.deploy.load_balancer == "classic" and controller:
        blockers.append(
            Problem(
                "no-classic-balancer",
                "This cluster does not make classic load balancers.",
                f"Its load balancers are made by {controller}, which makes network load balancers only.",
                'Set deploy.load_balancer to "auto" or "nlb".',
            )
        )
    return tuple(blockers)


def _of_other_setup(kind: str, other: str) -> Problem:
    return Problem(
        "other-setup",
        f"{objects.shown(kind).capitalize()} belongs to the setup {other}.",
        "A namespace holds one setup.",
        "Choose another namespace in connect.namespace.",
    )


def _notes(answers: Answers, facts: FactBook, inputs: Inputs, seen: DeployFacts) -> tuple[str, ...]:
    deploy, notes = answers.deploy, []
    is_known = manifests.knows_region(deploy.image, inputs.aws_region)
    if inputs.aws_region and not inputs.s3_endpoint and not is_known:
        notes.append(
            f"The registry in {deploy.image} does not know the region {inputs.aws_region}, so it is told the "
            "address of S3 there."
        )
    if deploy.load_balancer == "auto" and (controller := modern_controller(facts)):
        notes.append(f"The {controller} of this cluster makes a network load balancer.")
    if deploy.scheme == "internal":
        notes.append("The load balancer is internal: the proof works only from inside that network.")
    if seen.service is None:
        notes.append("A new load balancer takes AWS up to five minutes.")
    return tuple(notes)


def modern_controller(facts: FactBook) -> str:
    """The controller that makes network load balancers only, "" where none is known."""
    found = facts.connect.balancer_controller if facts.connect else ""
    return "" if found == "in-tree" else found


def _told(differing: tuple[str, ...]) -> str:
    """The certificate's and the key's change are what people wait for, so they get words."""
    words = {
        manifests.SERIAL: "the new certificate",
        manifests.ACCESS_KEY: "the new access key",
        manifests.HTTP_SECRET: "the new HTTP secret",
    }
    told = [
        next((text for key, text in words.items() if path.endswith(key)), path)
        for path in differing
        if not path.endswith(manifests.DIGEST)
    ]
    return ", ".join(dict.fromkeys(told)) or "what is no longer wanted"
