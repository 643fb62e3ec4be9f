"""Pod Security admission: the levels baseline and restricted, in the words of pod-security-admission."""

from collections.abc import Callable, Iterator
from typing import Any

from wizard.practice.kubernetes.objects import Obj, dig

LABEL = "pod-security.kubernetes.io/"
_SAFE_CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
_VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)
_LISTS = ("initContainers", "containers", "ephemeralContainers")


def enforced(namespace: Obj) -> str:
    return _level(namespace, "enforce") or "privileged"


def warned(namespace: Obj) -> str:
    """The level of warnings: that of `enforce` where none is set."""
    return _level(namespace, "warn") or enforced(namespace)


def _level(namespace: Obj, mode: str) -> str:
    labels: dict[str, str] = dig(namespace, "metadata", "labels") or {}
    level = labels.get(f"{LABEL}{mode}", "")
    return level if level in ("privileged", "baseline", "restricted") else ""


def violations(spec: Obj, level: str) -> str:
    """`violates PodSecurity "restricted:latest": ...` without the verb; empty when there are none."""
    checks: tuple[Callable[[Obj], str], ...] = ()
    if level == "baseline":
        checks = _BASELINE
    elif level == "restricted":
        checks = _RESTRICTED
    found = [text for check in checks if (text := check(spec))]
    return f'PodSecurity "{level}:latest": {", ".join(found)}' if found else ""


def _containers(spec: Obj) -> Iterator[Obj]:
    for kind in _LISTS:
        yield from spec.get(kind) or []


def _names(containers: list[Obj]) -> str:
    quoted = ", ".join(f'"{container.get("name", "")}"' for container in containers)
    return f"container{'s' if len(containers) > 1 else ''} {quoted}"


def _bad(spec: Obj, is_bad: Callable[[Obj], Any]) -> list[Obj]:
    return [container for container in _containers(spec) if is_bad(container.get("securityContext") or {})]


def _host_namespaces(spec: Obj) -> str:
    used = [f"{name}=true" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    return f"host namespaces ({', '.join(used)})" if used else ""


def _privileged(spec: Obj) -> str:
    bad = _bad(spec, lambda context: context.get("privileged"))
    return f"privileged ({_names(bad)} must not set securityContext.privileged=true)" if bad else ""


def _added(context: Obj) -> set[str]:
    return set(dig(context, "capabilities", "add") or [])


def _default_capabilities(spec: Obj) -> str:
    bad = _bad(spec, lambda context: _added(context) - _SAFE_CAPABILITIES)
    if not bad:
        return ""
    listed = sorted({name for one in bad for name in _added(one["securityContext"])} - _SAFE_CAPABILITIES)
    quoted = ", ".join(f'"{name}"' for name in listed)
    text = f"must not include {quoted} in securityContext.capabilities.add"
    return f"non-default capabilities ({_names(bad)} {text})"


def _host_paths(spec: Obj) -> str:
    found = [volume.get("name", "") for volume in spec.get("volumes") or [] if "hostPath" in volume]
    quoted = ", ".join(f'"{name}"' for name in found)
    return f"hostPath volumes (volume{'s' if len(found) > 1 else ''} {quoted})" if found else ""


def _host_ports(spec: Obj) -> str:
    bad, ports = [], []
    for container in _containers(spec):
        used = [port["hostPort"] for port in container.get("ports") or [] if port.get("hostPort")]
        if used:
            bad.append(container)
            ports += used
    if not bad:
        return ""
    verb, plural = "use" if len(bad) > 1 else "uses", "s" if len(ports) > 1 else ""
    return f"hostPort ({_names(bad)} {verb} hostPort{plural} {', '.join(map(str, ports))})"


def _volume_types(spec: Obj) -> str:
    bad = [
        (volume.get("name", ""), kind)
        for volume in spec.get("volumes") or []
        for kind in volume
        if kind != "name" and kind not in _VOLUMES
    ]
    if not bad:
        return ""
    names = ", ".join(f'"{name}"' for name, _ in bad)
    kinds = sorted({kind for _, kind in bad})
    quoted = ", ".join(f'"{kind}"' for kind in kinds)
    many = "s" if len(bad) > 1 else ""
    verb = "use" if many else "uses"
    return (
        f"restricted volume types (volume{many} {names} {verb} restricted volume type"
        f"{'s' if len(kinds) > 1 else ''} {quoted})"
    )


def _escalation(spec: Obj) -> str:
    bad = _bad(spec, lambda context: context.get("allowPrivilegeEscalation") is not False)
    text = "must set securityContext.allowPrivilegeEscalation=false"
    return f"allowPrivilegeEscalation != false ({_names(bad)} {text})" if bad else ""


def _dropped_capabilities(spec: Obj) -> str:
    keeping = _bad(spec, lambda context: "ALL" not in (dig(context, "capabilities", "drop") or []))
    adding = _bad(spec, lambda context: set(dig(context, "capabilities", "add") or []) - {"NET_BIND_SERVICE"})
    details = []
    if keeping:
        details.append(f'{_names(keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        added = sorted(
            {
                name
                for container in adding
                for name in container["securityContext"]["capabilities"]["add"]
                if name != "NET_BIND_SERVICE"
            }
        )
        quoted = ", ".join(f'"{name}"' for name in added)
        details.append(f"{_names(adding)} must not include {quoted} in securityContext.capabilities.add")
    return f"unrestricted capabilities ({'; '.join(details)})" if details else ""


def _non_root(spec: Obj) -> str:
    context = spec.get("securityContext") or {}
    setters = ["pod"] if context.get("runAsNonRoot") is False else []
    bad = _bad(spec, lambda own: own.get("runAsNonRoot") is False)
    if bad:
        setters.append(_names(bad))
    if setters:
        text = f"{' and '.join(setters)} must not set securityContext.runAsNonRoot=false"
        return f"runAsNonRoot != true ({text})"
    silent = _bad(spec, lambda own: own.get("runAsNonRoot") is None)
    if silent and not context.get("runAsNonRoot"):
        return f"runAsNonRoot != true (pod or {_names(silent)} must set securityContext.runAsNonRoot=true)"
    return ""


def _user(spec: Obj) -> str:
    setters = ["pod"] if dig(spec, "securityContext", "runAsUser") == 0 else []
    bad = _bad(spec, lambda own: own.get("runAsUser") == 0)
    if bad:
        setters.append(_names(bad))
    return f"runAsUser=0 ({' and '.join(setters)} must not set runAsUser=0)" if setters else ""


def _wrong_seccomp(spec: Obj) -> str:
    """Unconfined, or something nobody knows."""
    allowed = ("RuntimeDefault", "Localhost")
    own = dig(spec, "securityContext", "seccompProfile", "type")
    setters = ["pod"] if own is not None and own not in allowed else []
    bad = _bad(spec, lambda context: dig(context, "seccompProfile", "type") not in (None, *allowed))
    if bad:
        setters.append(_names(bad))
    if setters:
        found = [own] if setters[0] == "pod" else []
        found += [container["securityContext"]["seccompProfile"]["type"] for container in bad]
        quoted = ", ".join(f'"{name}"' for name in dict.fromkeys(found))
        text = f"must not set securityContext.seccompProfile.type to {quoted}"
        return f"seccompProfile ({' and '.join(setters)} {text})"
    return ""


def _seccomp(spec: Obj) -> str:
    if wrong := _wrong_seccomp(spec):
        return wrong
    own = dig(spec, "securityContext", "seccompProfile", "type")
    silent = _bad(spec, lambda context: dig(context, "seccompProfile", "type") is None)
    if silent and own is None:
        text = 'must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'
        return f"seccompProfile (pod or {_names(silent)} {text})"
    return ""


_BASELINE = (
    _host_namespaces,
    _privileged,
    _default_capabilities,
    _host_paths,
    _host_ports,
    _wrong_seccomp,
)
_RESTRICTED = (
    _host_namespaces,
    _privileged,
    _host_ports,
    _volume_types,
    _escalation,
    _dropped_capabilities,
    _non_root,
    _user,
    _seccomp,
)
