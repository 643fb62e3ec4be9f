"""What lies beneath an object: logs, scale, binding, eviction, a namespace's finalizers."""

from collections.abc import Callable, Iterable, Iterator

from wizard.practice.kubernetes import deletion, kinds, patches, writing
from wizard.practice.kubernetes.api import Api, Call
from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import Obj, clone, dig, name_of, now
from wizard.practice.kubernetes.request import Answer, Request, Target
from wizard.practice.kubernetes.schema import kind_type
from wizard.practice.kubernetes.status import (
    Problems,
    bad_request,
    conflict,
    method_not_allowed,
    unprocessable,
)
from wizard.practice.kubernetes.store import Store

_FOLLOWED_EVERY_S = 0.2
_REMEMBERED_BYTES = 256
PodLogs = Callable[[str, str, str, bool], Iterable[bytes] | None]
SCALE = Resource("autoscaling", "scales", "Scale")
LOG_OPTIONS = Resource("", "pods", "PodLogOptions")
BINDING = Resource("", "bindings", "Binding", type_name="Binding")


def log(store: Store, pod: Obj, request: Request, pod_logs: PodLogs | None) -> Answer:
    """The container's output from the node agent; raises 400 where there is none yet."""
    container = _log_container(pod, request.query.get("container", ""))
    tail, limit = request.number("tailLines"), request.number("limitBytes")
    problems = Problems()
    if tail is not None and tail < 0:
        problems.invalid("tailLines", tail, "must be greater than or equal to 0")
    if limit is not None and limit <= 0:
        problems.invalid("limitBytes", limit, "must be greater than 0")
    problems.raise_if_any(LOG_OPTIONS, name_of(pod))
    namespace, name = pod["metadata"]["namespace"], name_of(pod)
    is_previous = request.flag("previous")
    found = pod_logs(namespace, name, container, is_previous) if pod_logs else None
    if found is None and not pod["spec"].get("nodeName"):
        return Answer(204, "")
    if found is None:
        raise bad_request(_why_no_log(pod, container, is_previous=is_previous))
    text = b"".join(found)
    stream = _cut(text, tail, limit)
    if pod_logs and limit is None and not is_previous and request.flag("follow"):
        stream = _follow(store, pod_logs, pod, container, stream, text)
    return Answer(200, stream, content_type="text/plain")


def _log_container(pod: Obj, wanted: str) -> str:
    name = name_of(pod)
    known = [container["name"] for container in pod["spec"].get("containers") or []]
    first = [container["name"] for container in pod["spec"].get("initContainers") or []]
    if wanted:
        if wanted not in known + first:
            raise bad_request(f"container {wanted} is not valid for pod {name}")
        return wanted
    default = dig(pod, "metadata", "annotations") or {}
    annotated = default.get("kubectl.kubernetes.io/default-container")
    if annotated in known:
        return str(annotated)
    if len(known) != 1:
        text = f"a container name must be specified for pod {name}, choose one of: [{' '.join(known)}]"
        if first:
            text += f" or one of the init containers: [{' '.join(first)}]"
        raise bad_request(text)
    return str(known[0])


def _why_no_log(pod: Obj, container: str, *, is_previous: bool) -> str:
    name = name_of(pod)
    if is_previous:
        return f'previous terminated container "{container}" in pod "{name}" not found'
    statuses = dig(pod, "status", "containerStatuses") or []
    waiting = next(
        (dig(status, "state", "waiting", "reason") for status in statuses if status.get("name") == container),
        None,
    )
    why = waiting or "ContainerCreating"
    if why in ("ContainerCreating", "PodInitializing"):
        return f'container "{container}" in pod "{name}" is waiting to start: {why}'
    if why in ("ImagePullBackOff", "ErrImagePull"):
        return (
            f'container "{container}" in pod "{name}" is waiting to start: trying and failing to pull image'
        )
    return f'container "{container}" in pod "{name}" is waiting to start: {why}'


def _cut(text: bytes, tail: int | None, limit: int | None) -> Iterator[bytes]:
    """The last lines, at most so many bytes."""
    lines = text.splitlines(keepends=True)
    yield b"".join(lines if tail is None else lines[max(0, len(lines) - tail) :])[:limit]


def _follow(
    store: Store, pod_logs: PodLogs, pod: Obj, container: str, start: Iterator[bytes], text: bytes
) -> Iterator[bytes]:
    """What is there, then what comes, until the container ends or its Pod goes."""
    yield from start
    namespace, name = pod["metadata"]["namespace"], name_of(pod)
    while not store.is_closed:
        yield b""
        revision, now_pod = store.revision, store.get(kinds.PODS, namespace, name)
        news = b"".join(pod_logs(namespace, name, container, False) or ())
        yield _fresh(text, news)
        if now_pod is None or _has_ended(now_pod, container):
            return
        text = news or text
        store.wait(revision, _FOLLOWED_EVERY_S)


def _has_ended(pod: Obj, container: str) -> bool:
    statuses = dig(pod, "status", "containerStatuses") or []
    return any(one.get("name") == container and dig(one, "state", "terminated") for one in statuses)


def _fresh(old: bytes, new: bytes) -> bytes:
    """What follows upon the end of `old`, whose beginning may be forgotten meanwhile."""
    if new.startswith(old):
        return new[len(old) :]
    end = old[-_REMEMBERED_BYTES:]
    at = new.rfind(end)
    return new[at + len(end) :] if at >= 0 else new


def scale(api: Api, request: Request, target: Target) -> Answer:
    """GET, PUT and PATCH of autoscaling/v1 Scale."""
    resource = target.resource
    obj = api.get(resource, target.namespace, target.name)
    if request.method == "GET":
        return Answer(200, scale_of(resource, obj))
    call = request.call("UpdateOptions" if request.method == "PUT" else "PatchOptions")

    def change(old: Obj) -> Obj:
        sent = _wanted_scale(request, call, scale_of(resource, old))
        replicas = dig(sent, "spec", "replicas") or 0
        problems = Problems()
        if not isinstance(replicas, int) or isinstance(replicas, bool):
            raise bad_request(
                "json: cannot unmarshal string into Go struct field ScaleSpec.spec.replicas of type int32"
            )
        if replicas < 0:
            problems.invalid("spec.replicas", replicas, "must be greater than or equal to 0")
        problems.raise_if_any(SCALE, name_of(old))
        version = dig(sent, "metadata", "resourceVersion")
        old["metadata"]["resourceVersion"] = version or old["metadata"]["resourceVersion"]
        old["spec"]["replicas"] = replicas
        return old

    new = api.update(call, resource, target.namespace, target.name, change, "scale")
    return Answer(200, scale_of(resource, new), warnings=call.warnings)


def _wanted_scale(request: Request, call: Call, now_scale: Obj) -> Obj:
    del call
    if request.method == "PUT":
        return request.document(SCALE)
    sent = request.json("Scale")
    if request.content_type == "application/json-patch+json":
        found = patches.json_patch(now_scale, sent)
    elif isinstance(sent, dict):
        found = patches.strategic(now_scale, sent, kind_type("Scale"))
    else:
        raise bad_request("error decoding patch: json: cannot unmarshal array into Go value")
    if not isinstance(found, dict):
        raise unprocessable()
    return found


def scale_of(resource: Resource, obj: Obj) -> Obj:
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    selector = obj["spec"].get("selector") or {}
    labels = selector if resource == kinds.REPLICATION_CONTROLLERS else selector.get("matchLabels") or {}
    text = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    replicas = obj["spec"].get("replicas", 0)
    status: Obj = {"replicas": dig(obj, "status", "replicas") or 0}
    if text:
        status["selector"] = text
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: obj["metadata"][key] for key in kept},
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def bind(api: Api, request: Request, target: Target) -> Answer:
    """What a scheduler does with a Pod: POST of a Binding."""
    body = request.document(BINDING)
    node = dig(body, "target", "name")
    if not isinstance(node, str) or not node:
        raise bad_request("Binding.target.name: Required value")
    bind_pod(api, request.call("CreateOptions"), target.namespace, target.name, node)
    return Answer(
        201, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
    )


def bind_pod(api: Api, call: Call, namespace: str, name: str, node: str) -> None:
    """Raises 409 where the Pod is bound already."""
    with api.store.lock:
        pod = clone(api.get(kinds.PODS, namespace, name))
        bound = pod["spec"].get("nodeName")
        if bound:
            raise conflict(
                kinds.PODS, name, f"pod {name} is already assigned to node {bound!r}".replace("'", '"')
            )
        pod["spec"]["nodeName"] = node
        scheduled = {
            "type": "PodScheduled",
            "status": "True",
            "lastProbeTime": None,
            "lastTransitionTime": now(),
        }
        others = [one for one in pod["status"].get("conditions") or [] if one.get("type") != "PodScheduled"]
        pod["status"]["conditions"] = [*others, scheduled]
        if not call.is_dry_run:
            api.store.put(kinds.PODS, pod)


def evict(api: Api, request: Request, target: Target) -> Answer:
    call = request.call("CreateOptions")
    deletion.delete(api, call, kinds.PODS, target.namespace, target.name, {})
    return Answer(
        201, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
    )


def finalize(api: Api, request: Request, target: Target) -> Answer:
    """PUT of a namespace with fewer `spec.finalizers`."""
    body = request.document(kinds.NAMESPACES)
    finalizers = dig(body, "spec", "finalizers") or []
    if not isinstance(finalizers, list):
        raise bad_request("json: cannot unmarshal object into Go struct field NamespaceSpec.spec.finalizers")
    call = request.call("UpdateOptions")
    return Answer(200, finalize_namespace(api, call, target.name, finalizers))


def finalize_namespace(api: Api, call: Call, name: str, finalizers: list[str]) -> Obj:
    with api.store.lock:
        new = clone(api.get(kinds.NAMESPACES, "", name))
        new["spec"] = {**new["spec"], "finalizers": finalizers} if finalizers else {}
        if call.is_dry_run:
            return new
        is_over = new["metadata"].get("deletionTimestamp") and not finalizers
        if is_over and not new["metadata"].get("finalizers"):
            return api.store.remove(kinds.NAMESPACES, new)
        return api.store.put(kinds.NAMESPACES, new)


def serve(api: Api, request: Request, target: Target, pod_logs: PodLogs | None) -> Answer:
    """Any subresource; raises 405 for a method it does not have."""
    name, method = target.subresource, request.method
    obj = api.get(target.resource, target.namespace, target.name)
    if name == "log" and method == "GET":
        return log(api.store, obj, request, pod_logs)
    if name == "scale" and method in ("GET", "PUT", "PATCH"):
        return scale(api, request, target)
    if name == "binding" and method == "POST":
        return bind(api, request, target)
    if name == "eviction" and method == "POST":
        return evict(api, request, target)
    if name == "finalize" and method == "PUT":
        return finalize(api, request, target)
    if name == "status" and method == "GET":
        return Answer(200, obj)
    if name == "status" and method == "PUT":
        return writing.update(api, request, target)
    if name == "status" and method == "PATCH":
        return writing.patch(api, request, target)
    raise method_not_allowed()
