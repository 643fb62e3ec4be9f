"""Who may do what: denials, and the reviews by which clients ask beforehand."""

from collections.abc import Set as AbstractSet

from wizard.practice.kubernetes import kinds
from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import Obj
from wizard.practice.kubernetes.request import Answer, Request, Target
from wizard.practice.kubernetes.status import ApiError, bad_request, method_not_allowed

Denied = AbstractSet[tuple[str, str]]


def verb_of(request: Request, target: Target) -> str:
    if request.method == "GET":
        if target.name and not request.flag("watch"):
            return "get"
        return "watch" if request.flag("watch") else "list"
    if request.method == "DELETE":
        return "delete" if target.name else "deletecollection"
    return {"POST": "create", "PUT": "update", "PATCH": "patch"}.get(request.method, request.method.lower())


def _full(target: Target) -> str:
    plural = target.resource.plural
    return f"{plural}/{target.subresource}" if target.subresource else plural


def authorize(request: Request, target: Target, denied: Denied) -> None:
    """Raises 403 in RBAC's words."""
    verb, resource = verb_of(request, target), target.resource
    if request.user.startswith("system:") or (verb, _full(target)) not in denied:
        return
    subject = f'{resource.full_name} "{target.name}"' if target.name else resource.full_name
    # A namespace counts as within itself: a Role in it may let people read it.
    within = target.name if resource == kinds.NAMESPACES else target.namespace
    where = f'in the namespace "{within}"' if within else "at the cluster scope"
    raise ApiError(
        403,
        "Forbidden",
        f'{subject} is forbidden: User "{request.user}" cannot {verb} resource "{_full(target)}" '
        f'in API group "{resource.group}" {where}',
        name=target.name,
        group=resource.group,
        kind=resource.plural,
    )


def serve(request: Request, target: Target, denied: Denied) -> Answer:
    resource = target.resource
    if request.method != "POST" or target.name:
        raise method_not_allowed()
    body = request.document(resource)
    spec = body.get("spec") or {}
    if not isinstance(spec, dict):
        raise bad_request(f"json: cannot unmarshal array into Go struct field {resource.kind}.spec")
    if resource == kinds.ACCESS_REVIEWS:
        status = _access(spec, denied, request.user)
    elif resource == kinds.RULES_REVIEWS:
        if not spec.get("namespace"):
            raise bad_request("no namespace on request")
        status, spec = _rules(denied), {}
    else:
        status, spec = _who(request.user), {}
    answer: Obj = {
        "kind": resource.kind,
        "apiVersion": resource.api_version,
        "metadata": {},
        "status": status,
    }
    if resource != kinds.SUBJECT_REVIEWS:
        answer["spec"] = spec
    return Answer(201, answer)


def _access(spec: Obj, denied: Denied, user: str) -> Obj:
    asked = spec.get("resourceAttributes")
    if (asked is None) == (spec.get("nonResourceAttributes") is None):
        raise ApiError(
            422,
            "Invalid",
            '.authorization.k8s.io "" is invalid: spec: Invalid value: null: exactly one of '
            "nonResourceAttributes or resourceAttributes must be specified",
            group="authorization.k8s.io",
        )
    if not isinstance(asked, dict) or user.startswith("system:"):
        return {"allowed": True}
    resource = str(asked.get("resource", ""))
    if asked.get("subresource"):
        resource += f"/{asked['subresource']}"
    if (str(asked.get("verb", "")), resource) in denied:
        return {"allowed": False}
    return {"allowed": True, "reason": "RBAC: allowed by ClusterRoleBinding of the practice cluster"}


def _rules(denied: Denied) -> Obj:
    everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
    rules = [everything]
    if denied:
        rules = [rule for resource in kinds.RESOURCES for rule in _rules_of(resource, denied)]
    return {
        "resourceRules": rules,
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        "incomplete": False,
    }


def _rules_of(resource: Resource, denied: Denied) -> list[dict[str, list[str]]]:
    found = []
    for name in (resource.plural, *(f"{resource.plural}/{sub}" for sub in resource.subresources)):
        verbs = [verb for verb in resource.verbs if (verb, name) not in denied]
        if verbs:
            found.append({"verbs": verbs, "apiGroups": [resource.group], "resources": [name]})
    return found


def _who(user: str) -> Obj:
    groups = (
        ["system:authenticated"] if user.startswith("system:") else ["system:masters", "system:authenticated"]
    )
    return {"userInfo": {"username": user, "groups": groups}}
