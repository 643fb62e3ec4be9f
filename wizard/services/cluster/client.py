"""`Cluster`: the verbs that the steps need, in one namespace of one context."""

import copy
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from wizard import ownership
from wizard.endpoints import Endpoints
from wizard.errors import Conflict, NotFound, Problem, WizardError
from wizard.facts import SecretFacts
from wizard.services.cluster import kubeconfig, secrets
from wizard.services.cluster.failures import Call
from wizard.services.cluster.secrets import SecretContents
from wizard.services.cluster.transport import APPLY_PATCH, Answer, Transport, parsed, path_of, plural

if TYPE_CHECKING:
    from wizard.services.aws import Aws

Object = dict[str, Any]
Objects = list[Object]
Lines = list[str]
PAGE = 500
# Of the kinds that the wizard meets.
OUTSIDE_NAMESPACES = frozenset({"Namespace", "Node", "MutatingWebhookConfiguration"})
MOST_LOG_BYTES = 256 * 1024


class Cluster:
    """Thread-safe; connects when first asked. `warnings` are what the API server sent in Warning headers.

    `namespaced=False` is for kinds outside namespaces. Every method raises WizardErrors only: Unreachable,
    CredentialsError, AccessDenied, NotFound, Conflict.
    """

    def __init__(
        self, context: str, namespace: str, endpoints: Endpoints, *, aws: Callable[[], "Aws"]
    ) -> None:
        """Reads the kubeconfig; raises Refused where it cannot be used. No request is made yet."""
        chosen = kubeconfig.load().choose(context)
        self.context = chosen.name
        self.server = chosen.server
        self.namespace = namespace
        self.warnings: Lines = []
        self._lock = threading.Lock()
        self._transport = Transport(chosen, endpoints, aws)

    def in_namespace(self, namespace: str) -> "Cluster":
        """The same connection, for another namespace; it must not be closed by itself."""
        other = copy.copy(self)
        other.namespace = namespace
        return other

    def version(self) -> str:
        """Such as v1.37.2; raises Unreachable within 10 s where the server does not answer."""
        return str(self._transport.version().get("gitVersion", ""))

    def user(self) -> str:
        """Who the server takes us for, "" where it does not say (SelfSubjectReview, Kubernetes 1.28)."""
        try:
            found = self._review("authentication.k8s.io/v1", "SelfSubjectReview", None)
        except WizardError:
            return ""
        return str(((found.get("status") or {}).get("userInfo") or {}).get("username", ""))

    def can(
        self,
        verb: str,
        resource: str,
        *,
        group: str = "",
        namespace: str | None = None,
        subresource: str = "",
    ) -> bool:
        """Asks by SelfSubjectAccessReview; `namespace` None is ours, "" the whole cluster."""
        place = self.namespace if namespace is None else namespace
        attributes = {"verb": verb, "resource": resource, "group": group, "subresource": subresource}
        spec = {"resourceAttributes": {**attributes, "namespace": place}}
        found = self._review("authorization.k8s.io/v1", "SelfSubjectAccessReview", spec)
        return bool((found.get("status") or {}).get("allowed"))

    def get(
        self, api_version: str, kind: str, name: str, *, namespaced: bool = True, namespace: str | None = None
    ) -> Object | None:
        """The object, None where there is none; `namespace` where it is not ours."""
        try:
            return self._object(
                "GET", api_version, kind, name, "get", namespaced=namespaced, namespace=namespace
            )
        except NotFound:
            return None

    def list(
        self,
        api_version: str,
        kind: str,
        *,
        label_selector: str = "",
        field_selector: str = "",
        namespaced: bool = True,
        namespace: str | None = None,
        limit: int = 0,
    ) -> Objects:
        """All of them, or the first `limit`; read in pages of 500."""
        items: Objects = []
        for page in self.pages(
            api_version,
            kind,
            label_selector=label_selector,
            field_selector=field_selector,
            namespaced=namespaced,
            namespace=namespace,
            size=min(PAGE, limit) if limit else PAGE,
        ):
            items += page
            if limit and len(items) >= limit:
                return items[:limit]
        return items

    def pages(
        self,
        api_version: str,
        kind: str,
        *,
        label_selector: str = "",
        field_selector: str = "",
        namespaced: bool = True,
        namespace: str | None = None,
        size: int = PAGE,
    ) -> Iterator[Objects]:
        """The same page by page; the next one is asked for when it is wanted."""
        selectors = {"labelSelector": label_selector, "fieldSelector": field_selector}
        query = {key: value for key, value in selectors.items() if value} | {"limit": str(size)}
        while True:
            found = self._object(
                "GET", api_version, kind, "", "list", namespaced=namespaced, namespace=namespace, query=query
            )
            yield found.get("items") or []
            going_on = str((found.get("metadata") or {}).get("continue") or "")
            if not going_on:
                return
            query["continue"] = going_on

    def create(self, manifest: Object) -> Object:
        """Raises Conflict (already-exists) where it is there."""
        return self._manifest("POST", manifest, "create", query={"fieldManager": ownership.FIELD_MANAGER})

    def apply(self, manifest: Object, *, dry_run: bool = False, force: bool = False) -> Object:
        """Server-side apply as ours; raises FieldConflict where others hold a field, unless `force`."""
        query = {"fieldManager": ownership.FIELD_MANAGER, "force": "true" if force else "false"}
        if dry_run:
            query["dryRun"] = "All"
        return self._manifest("PATCH", manifest, "patch", query=query, content_type=APPLY_PATCH)

    def replace(self, manifest: Object) -> Object:
        """Puts the whole object, its resourceVersion included; raises Conflict where that is an old one."""
        return self._manifest("PUT", manifest, "update", query={"fieldManager": ownership.FIELD_MANAGER})

    def patch(
        self, api_version: str, kind: str, name: str, body: object, *, patch_type: str = "merge"
    ) -> Object:
        """`patch_type` is merge, strategic-merge or json (RFC 7396, Kubernetes' own, RFC 6902)."""
        return self._object(
            "PATCH",
            api_version,
            kind,
            name,
            "patch",
            namespaced=_is_namespaced(kind),
            query={"fieldManager": ownership.FIELD_MANAGER},
            body=body,
            content_type=f"application/{patch_type}-patch+json",
        )

    def delete(
        self, api_version: str, kind: str, name: str, *, uid: str = "", propagation: str = "Background"
    ) -> bool:
        """False where it was absent; raises Conflict where `uid` is given and another holds the name."""
        body: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            self._object(
                "DELETE", api_version, kind, name, "delete", namespaced=_is_namespaced(kind), body=body
            )
        except NotFound:
            return False
        return True

    def logs(self, pod: str, *, previous: bool = False, tail: int = 20) -> str:
        """The Pod's last lines, "" where it has none yet, is gone, or its node does not hand them out.

        The API server fetches them from the kubelet, and says 500 where a firewall is in between: what only
        explains a failure may not be one itself.
        """
        query = {"tailLines": str(tail), "limitBytes": str(MOST_LOG_BYTES)}
        if previous:
            query["previous"] = "true"
        path = path_of("v1", "pods", self.namespace, pod) + "/log"
        try:
            answer = self._send("GET", path, Call("get", "pods/log", pod, self.namespace), query=query)
        except WizardError as error:
            if error.problem.code in {"api-server-refused", "api-server-busy", "not-found"}:
                return ""
            raise
        return answer.data.decode(errors="replace")

    def events_for(self, kind: str, name: str) -> Lines:
        """Its Events as "Reason: message", the newest last."""
        selector = f"involvedObject.kind={kind},involvedObject.name={name}"
        found = self.list("v1", "Event", field_selector=selector)
        return [
            f"{event.get('reason', '')}: {event.get('message', '')}" for event in sorted(found, key=_when)
        ]

    def read_secret(self, name: str) -> SecretContents | None:
        found = self.get("v1", "Secret", name)
        return None if found is None else secrets.contents_of(found)

    def secret_facts(self, name: str) -> SecretFacts:
        """Facts with `exists=False` where there is none."""
        found = self.get("v1", "Secret", name)
        return SecretFacts(name=name) if found is None else secrets.facts_of(found)

    def write_secret(
        self,
        name: str,
        data: Mapping[str, bytes],
        *,
        setup: str,
        type: str = "Opaque",  # noqa: A002 - the field's name in Kubernetes
        annotations: Mapping[str, str | None] | None = None,
        expected_version: str | None = None,
    ) -> SecretFacts:
        """Makes the Secret with our labels, or replaces its data wholly if it is still `expected_version`.

        Raises Conflict where it changed meanwhile. A Secret that says so already is left alone, labels and
        other annotations of one that exists are kept; an annotation of None is removed.
        """
        found = self.get("v1", "Secret", name)
        if found is None:
            if expected_version:
                raise _changed(name)
            return secrets.facts_of(
                self.create(secrets.manifest(name, data, setup=setup, kind=type, annotations=annotations))
            )
        if expected_version is not None and secrets.facts_of(found).resource_version != expected_version:
            raise _changed(name)
        if found.get("type") != type:
            raise Conflict(
                Problem(
                    "secret-type",
                    f"The Secret {name} is of the type {found.get('type')}, not {type}.",
                    "A Secret's type cannot be changed.",
                    f"Delete or rename it: kubectl -n {self.namespace} delete secret {name}",
                )
            )
        changed = secrets.with_contents(found, data, annotations)
        return secrets.facts_of(found if changed is None else self.replace(changed))

    def close(self) -> None:
        self._transport.close()

    def _review(self, api_version: str, kind: str, spec: Object | None) -> Object:
        body: Object = {"apiVersion": api_version, "kind": kind}
        if spec is not None:
            body["spec"] = spec
        return self._object("POST", api_version, kind, "", "create", namespaced=False, body=body)

    def _manifest(self, method: str, manifest: Object, verb: str, **more: Any) -> Object:
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        in_path = "" if method == "POST" else name
        namespaced = _is_namespaced(kind)
        return self._object(
            method, manifest["apiVersion"], kind, in_path, verb, namespaced=namespaced, body=manifest, **more
        )

    def _object(
        self,
        method: str,
        api_version: str,
        kind: str,
        name: str,
        verb: str,
        *,
        namespaced: bool,
        namespace: str | None = None,
        **more: Any,
    ) -> Object:
        resource, place = plural(kind), (namespace or self.namespace) if namespaced else ""
        path = path_of(api_version, resource, place, name)
        answer = self._send(method, path, Call(verb, resource, name, place), **more)
        return parsed(answer, self._transport.target)

    def _send(self, method: str, path: str, call: Call, **more: Any) -> Answer:
        answer = self._transport.request(method, path, call, **more)
        with self._lock:
            self.warnings += [text for text in answer.warnings if text not in self.warnings]
        return answer


def _is_namespaced(kind: str) -> bool:
    return kind not in OUTSIDE_NAMESPACES


def _when(event: Object) -> str:
    times = (event.get("lastTimestamp"), event.get("eventTime"), event.get("firstTimestamp"))
    return str(next(filter(None, times), (event.get("metadata") or {}).get("creationTimestamp", "")))


def _changed(name: str) -> Conflict:
    return Conflict(
        Problem(
            "changed-meanwhile",
            f"The Secret {name} was changed by somebody else in the same moment.",
            fix="Run the same command again; it will look at what is there.",
        )
    )
