"""Small questions about live Kubernetes objects of the registry. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from wizard import names, ownership
from wizard.manifests import DIGEST

Object = Mapping[str, Any]

API_VERSIONS = {"Service": "v1", "Deployment": "apps/v1", "ReplicationController": "v1"}
WORKLOADS = ("Deployment", "ReplicationController")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
SECRET_LIKE = re.compile(r"SECRET|PASSWORD|TOKEN|ACCESSKEY|ACCESS_KEY", re.IGNORECASE)


def metadata(live: Object) -> Mapping[str, Any]:
    return live.get("metadata") or {}


def owner(live: Object) -> str:
    return ownership.owner_of_labels(metadata(live).get("labels"))


def uid(live: Object) -> str:
    return str(metadata(live).get("uid", ""))


def name(live: Object) -> str:
    return str(metadata(live).get("name", ""))


def pod_selector(setup: str) -> str:
    return f"{ownership.SELECTOR},{ownership.INSTANCE}={setup}"


def template_annotations(workload: Object) -> Mapping[str, str]:
    template = (workload.get("spec") or {}).get("template") or {}
    return metadata(template).get("annotations") or {}


def pod_digest(pod: Object) -> str:
    """Of the template that the Pod was made from, "" for a Pod that is not the wizard's."""
    return str((metadata(pod).get("annotations") or {}).get(DIGEST, ""))


def is_ending(live: Object) -> bool:
    return bool(metadata(live).get("deletionTimestamp"))


def is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    says_ready = any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)
    return says_ready and not is_ending(pod)


def balancer_address(service: Object | None) -> str:
    """The balancer's name, or its IP address in clusters elsewhere; "" while there is none."""
    status = (service or {}).get("status") or {}
    ingress = (status.get("loadBalancer") or {}).get("ingress") or []
    return next((str(each.get("hostname") or each.get("ip") or "") for each in ingress), "")


def is_rolled_out(live: Object | None, wanted_digest: str, pod_digests: Iterable[str]) -> bool:
    """Whether every Pod of the workload is of the wanted template and available."""
    if not live or is_ending(live):
        return False
    if not is_observed(live):
        return False
    status, replicas = live.get("status") or {}, int((live.get("spec") or {}).get("replicas", 1))
    counts = [status.get("replicas", 0), status.get("availableReplicas", 0)]
    if live.get("kind") == "Deployment":
        counts.append(status.get("updatedReplicas", 0))
    elif any(digest != wanted_digest for digest in pod_digests):
        return False
    return all(count == replicas for count in counts)


def is_observed(live: Object) -> bool:
    """Whether the workload's controller knows its last change."""
    seen = (live.get("status") or {}).get("observedGeneration", 0)
    return int(seen) >= int(metadata(live).get("generation", 0))


def redacted(live: Object | None) -> Object | None:
    """The object without what may hold a secret: plain values of foreign variables, kubectl's own copy."""
    if live is None:
        return None
    annotations = {
        key: value for key, value in (metadata(live).get("annotations") or {}).items() if key != LAST_APPLIED
    }
    cleaned: Object = {**live, "metadata": {**metadata(live), "annotations": annotations}}
    template = (live.get("spec") or {}).get("template") or {}
    containers = (template.get("spec") or {}).get("containers")
    if not containers:
        return cleaned
    pod = {**template["spec"], "containers": [_without_values(container) for container in containers]}
    return {**cleaned, "spec": {**live["spec"], "template": {**template, "spec": pod}}}


def restorable(live: Object) -> dict[str, Any]:
    """What is needed to make the object again as it was."""
    kept = ("name", "namespace", "labels", "annotations")
    own = {key: value for key, value in metadata(live).items() if key in kept}
    return {**{key: value for key, value in live.items() if key != "status"}, "metadata": own}


def shown(kind: str) -> str:
    return f"the {kind} {names.REGISTRY}"


def _without_values(container: Object) -> Object:
    variables = [
        {**each, "value": "***"} if each.get("value") and SECRET_LIKE.search(each["name"]) else each
        for each in container.get("env") or ()
    ]
    return {**container, "env": variables} if variables else container
