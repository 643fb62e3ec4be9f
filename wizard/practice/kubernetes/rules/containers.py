"""Containers: ports, environment, mounts, resources, probes and security context."""

import re
from typing import Any

from wizard.practice.kubernetes.objects import Obj, dig
from wizard.practice.kubernetes.rules import names, quantities
from wizard.practice.kubernetes.rules.services import check_target
from wizard.practice.kubernetes.status import Problems

_HANDLERS = ("exec", "grpc", "httpGet", "tcpSocket")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_STANDARD_RESOURCES = ("cpu", "memory", "ephemeral-storage")
_FIELD_PATHS = frozenset(
    {
        "metadata.annotations",
        "metadata.labels",
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    }
)


def default(container: Obj) -> None:
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    image = container.get("image", "")
    last = image.rsplit("/", 1)[-1]
    is_latest = last.endswith(":latest") or not (":" in last or "@" in last)
    container.setdefault("imagePullPolicy", "Always" if is_latest else "IfNotPresent")
    for port in container.get("ports") or []:
        port.setdefault("protocol", "TCP")
    for variable in container.get("env") or []:
        reference = dig(variable, "valueFrom", "fieldRef")
        if reference is not None:
            reference.setdefault("apiVersion", "v1")
    for name in _PROBES:
        if name in container:
            _default_probe(container[name])


def _default_probe(probe: Obj) -> None:
    for field, value in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        if not probe.get(field):
            probe[field] = value
    if "httpGet" in probe:
        probe["httpGet"].setdefault("path", "/")
        probe["httpGet"].setdefault("scheme", "HTTP")
    if "grpc" in probe:
        probe["grpc"].setdefault("service", "")


def check(container: Obj, field: str, volumes: set[str], problems: Problems) -> None:
    name = container.get("name", "")
    if not name:
        problems.required(f"{field}.name")
    for why in names.label(name) if name else ():
        problems.invalid(f"{field}.name", name, why)
    if not container.get("image"):
        problems.required(f"{field}.image")
    policies = ("File", "FallbackToLogsOnError")
    if container["terminationMessagePolicy"] not in policies:
        problems.not_supported(
            f"{field}.terminationMessagePolicy", container["terminationMessagePolicy"], policies
        )
    _check_ports(container.get("ports") or [], f"{field}.ports", problems)
    _check_env(container.get("env") or [], f"{field}.env", problems)
    _check_env_from(container.get("envFrom") or [], f"{field}.envFrom", problems)
    _check_mounts(container.get("volumeMounts") or [], f"{field}.volumeMounts", volumes, problems)
    pulls = ("Always", "IfNotPresent", "Never")
    if container["imagePullPolicy"] not in pulls:
        problems.not_supported(f"{field}.imagePullPolicy", container["imagePullPolicy"], pulls)
    check_resources(container["resources"], f"{field}.resources", problems)
    _check_security(container.get("securityContext"), f"{field}.securityContext", problems)
    for probe in _PROBES:
        if probe in container:
            _check_probe(probe, container[probe], f"{field}.{probe}", problems)


def _check_ports(ports: list[Obj], field: str, problems: Problems) -> None:
    seen = set()
    for at, port in enumerate(ports):
        here, name = f"{field}[{at}]", port.get("name", "")
        for why in names.port_name(name) if name else ():
            problems.invalid(f"{here}.name", name, why)
        if name and name in seen:
            problems.duplicate(f"{here}.name", name)
        seen.add(name)
        number = port.get("containerPort", 0)
        if number == 0:
            problems.required(f"{here}.containerPort")
        elif not 1 <= number <= 65535:
            problems.invalid(f"{here}.containerPort", number, "must be between 1 and 65535, inclusive")
        host_port = port.get("hostPort", 0)
        if host_port and not 1 <= host_port <= 65535:
            problems.invalid(f"{here}.hostPort", host_port, "must be between 1 and 65535, inclusive")
        if port["protocol"] not in ("SCTP", "TCP", "UDP"):
            problems.not_supported(f"{here}.protocol", port["protocol"], ("SCTP", "TCP", "UDP"))


def _check_env(env: list[Obj], field: str, problems: Problems) -> None:
    for at, variable in enumerate(env):
        here, name = f"{field}[{at}]", variable.get("name", "")
        if not name:
            problems.required(f"{here}.name")
        elif not re.fullmatch(r"[ -<>-~]+", name):
            problems.invalid(
                f"{here}.name",
                name,
                "a valid environment variable name must consist only of printable ASCII characters "
                "other than '='",
            )
        source = variable.get("valueFrom")
        if source is None:
            continue
        here = f"{here}.valueFrom"
        given = [kind for kind in _SOURCES if kind in source]
        if not given:
            listed = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
            problems.invalid(here, "", f"must specify one of: {listed}")
        elif variable.get("value"):
            problems.invalid(here, "", "may not be specified when `value` is not empty")
        elif len(given) > 1:
            problems.invalid(here, "", "may not have more than one field specified at a time")
        for kind in given:
            _check_source(kind, source[kind], f"{here}.{kind}", problems)


def _check_source(kind: str, source: Obj, field: str, problems: Problems) -> None:
    if kind in ("secretKeyRef", "configMapKeyRef"):
        for why in names.subdomain(source.get("name", "")):
            problems.invalid(f"{field}.name", source.get("name", ""), why)
        key = source.get("key", "")
        if not key:
            problems.required(f"{field}.key")
        for why in names.config_key(key) if key else ():
            problems.invalid(f"{field}.key", key, why)
    elif kind == "fieldRef":
        path = source.get("fieldPath", "")
        if not path:
            problems.required(f"{field}.fieldPath")
        elif path.split("['")[0] not in _FIELD_PATHS:
            problems.invalid(
                f"{field}.fieldPath", path, f"error converting fieldPath: field label not supported: {path}"
            )


def _check_env_from(sources: list[Obj], field: str, problems: Problems) -> None:
    for at, source in enumerate(sources):
        kinds = [kind for kind in ("configMapRef", "secretRef") if kind in source]
        if not kinds:
            problems.invalid(field, "", "must specify one of: `configMapRef` or `secretRef`")
        for kind in kinds:
            if not source[kind].get("name"):
                problems.required(f"{field}[{at}].{kind}.name")


def _check_mounts(mounts: list[Obj], field: str, volumes: set[str], problems: Problems) -> None:
    seen = set()
    for at, mount in enumerate(mounts):
        here, name, path = f"{field}[{at}]", mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            problems.required(f"{here}.name")
        elif name not in volumes:
            problems.not_found(f"{here}.name", name)
        if not path:
            problems.required(f"{here}.mountPath")
        elif path in seen:
            problems.invalid(f"{here}.mountPath", path, "must be unique")
        seen.add(path)
        inside = mount.get("subPath", "")
        if inside.startswith("/"):
            problems.invalid(f"{field}.subPath", inside, "must be a relative path")
        elif ".." in inside.split("/"):
            problems.invalid(f"{field}.subPath", inside, "must not contain '..'")


def check_resources(resources: Obj, field: str, problems: Problems) -> None:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for kind, found in (("limits", limits), ("requests", requests)):
        for name, value in found.items():
            here = f"{field}.{kind}[{name}]"
            if "/" not in name and name not in _STANDARD_RESOURCES and not name.startswith("hugepages-"):
                problems.invalid(here, name, "must be a standard resource type or fully qualified")
                problems.invalid(here, name, "must be a standard resource for containers")
            if quantities.amount(value) < 0:
                problems.invalid(here, value, "must be greater than or equal to 0")
            limit = limits.get(name)
            if (
                kind == "requests"
                and limit is not None
                and quantities.amount(value) > quantities.amount(limit)
            ):
                problems.invalid(
                    f"{field}.requests", value, f"must be less than or equal to {name} limit of {limit}"
                )


def _check_security(context: Obj | None, field: str, problems: Problems) -> None:
    if context is None:
        return
    for name in ("runAsUser", "runAsGroup"):
        check_id(context.get(name), f"{field}.{name}", problems)
    check_seccomp(context.get("seccompProfile"), f"{field}.seccompProfile", problems)
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            problems.invalid(
                field, context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            )
        if "CAP_SYS_ADMIN" in (dig(context, "capabilities", "add") or []):
            why = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            problems.invalid(field, context, why)


def check_id(value: Any, field: str, problems: Problems) -> None:
    if value is not None and not 0 <= value <= 2**31 - 1:
        problems.invalid(field, value, "must be between 0 and 2147483647, inclusive")


def check_seccomp(profile: Obj | None, field: str, problems: Problems) -> None:
    kinds = ("Localhost", "RuntimeDefault", "Unconfined")
    if profile is None:
        return
    if not profile.get("type"):
        problems.required(f"{field}.type", "type is required when seccompProfile is set")
    elif profile["type"] not in kinds:
        problems.not_supported(f"{field}.type", profile["type"], kinds)
    elif profile["type"] == "Localhost" and not profile.get("localhostProfile"):
        problems.required(f"{field}.localhostProfile", "must be set when seccomp type is Localhost")


def _check_probe(kind: str, probe: Obj, field: str, problems: Problems) -> None:
    handlers = [name for name in _HANDLERS if name in probe]
    if not handlers:
        problems.required(field, "must specify a handler type")
    for handler in handlers[:1]:
        here = f"{field}.{handler}"
        if handler in ("httpGet", "tcpSocket"):
            check_target(probe[handler].get("port"), f"{here}.port", problems)
        if handler == "httpGet" and probe[handler]["scheme"] not in ("HTTP", "HTTPS"):
            problems.not_supported(f"{here}.scheme", probe[handler]["scheme"], ("HTTP", "HTTPS"))
        if handler == "exec" and not probe[handler].get("command"):
            problems.required(f"{here}.command")
    for extra in handlers[1:]:
        problems.forbidden(f"{field}.{extra}", "may not specify more than 1 handler type")
    for name in (
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ):
        if probe.get(name, 0) < 0:
            problems.invalid(f"{field}.{name}", probe[name], "must be greater than or equal to 0")
    if kind != "readinessProbe" and probe["successThreshold"] != 1:
        problems.invalid(f"{field}.successThreshold", probe["successThreshold"], "must be 1")
