"""Names requests by service, operation and resource, with all that differs from run to run left out."""

import base64
import binascii
import json
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.crash.wire import Message

_RANDOM = re.compile(
    r"\bsha256:[0-9a-f]{64}|\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\b[a-f0-9]{12,}(?:-\d+)?\b"
    r"|(?<=/)[CZ][A-Z0-9]{10,}\b|\b\d{5,}\b"
)
_ACME_ID = re.compile(r"(?<=/)[A-Za-z0-9_-]*\d[A-Za-z0-9_-]*|(?<=/)[A-Za-z0-9_-]{16,}")
_SCOPE = re.compile(r"Credential=(?P<key>[^/]+)/\d{8}/[^/]+/(?P<service>[^/]+)/")
PASSWORD_LENGTH = 24
_READS = re.compile(r"Get|List|Describe|Simulate|Head")


@dataclass(frozen=True, slots=True)
class Named:
    service: str
    name: str
    changes: bool


def of_aws(request: Message, own_key_id: str) -> Named:
    """S3 by method, path and sub-resource, the others by action; who asks if it is not the operator."""
    method, target, _ = request.start
    url = urlsplit(target)
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    scope = _SCOPE.search(
        request.header("Authorization") or f"Credential={query.get('X-Amz-Credential', '')}"
    )
    service, key_id = (scope["service"], scope["key"]) if scope else ("s3", "")
    who = "" if key_id == own_key_id else " as the registry" if key_id else " as nobody"
    if service == "s3":
        extra = "&".join(sorted(key for key in query if not key.startswith("X-Amz-")))
        name = f"{method} {unquote(url.path)}{'?' + extra if extra else ''}"
        changes = method not in {"GET", "HEAD"}
    elif service == "route53":
        name = f"{method} {url.path}"
        changes = method != "GET"
    else:
        form = dict(parse_qsl(request.content.decode("latin-1")))
        action = form.pop("Action", method)
        about = [
            form[key] for key in ("UserName", "PolicyName", "PolicyArn", "LoadBalancerName") if key in form
        ]
        name = " ".join([action, *about])
        changes = not _READS.match(action) and service != "sts"
    return Named(service, _RANDOM.sub("*", name) + who, changes)


def of_kubernetes(request: Message) -> Named:
    method, target, _ = request.start
    url = urlsplit(target)
    query = dict(parse_qsl(url.query))
    about = "".join(
        f" {key}={query[key]}" for key in ("dryRun", "labelSelector", "fieldSelector") if key in query
    )
    about = re.sub(r"involvedObject.name=.*", "involvedObject.name=*", about)
    is_review = url.path.endswith("reviews")
    if method == "POST":
        sent = json.loads(request.content or b"{}")
        spec = (sent.get("spec") or {}).get("resourceAttributes") or {}
        about = "".join(f" {spec[key]}" for key in ("verb", "resource", "subresource") if spec.get(key))
        about += " " + str((sent.get("metadata") or {}).get("name", ""))
    changes = method != "GET" and not is_review and "dryRun" not in query
    path = re.sub(r"kube-registry-[0-9a-z]+-[0-9a-z]{5}\b", "kube-registry-*", url.path)
    return Named("kubernetes", _RANDOM.sub("*", f"{method} {path}{about}".rstrip()), changes)


def of_acme(request: Message) -> Named:
    method, target, _ = request.start
    path = _ACME_ID.sub("*", urlsplit(target).path)
    changes = method == "POST" and ("new-" in path or "finalize" in path or "chall" in path)
    return Named("acme", f"{method} {path}", changes)


def of_registry(request: Message) -> Named:
    method, target, _ = request.start
    url = urlsplit(target)
    path = re.sub(r"(?<=/uploads/)[^/?]+", "*", url.path)
    return Named(
        "registry", f"{method} {_RANDOM.sub('*', path)}{_login(request)}", method not in {"GET", "HEAD"}
    )


def of_web(request: Message) -> Named:
    method, target, _ = request.start
    return Named("web", f"{method} {re.sub(r'(?<=acme-challenge/).+', '*', urlsplit(target).path)}", False)


def balancer(host: str) -> str:
    """A host name without what is random in it."""
    return re.sub(r"^[a-z0-9-]+(?=\.eu-west-1\.elb|\.elb)", "*", host)


def _login(request: Message) -> str:
    """Whose login the request carries; the wrong password of the proof is a shorter one."""
    kind, _, value = request.header("Authorization").partition(" ")
    if kind.lower() != "basic":
        return " as nobody"
    try:
        user, _, password = base64.b64decode(value).decode().partition(":")
    except (binascii.Error, UnicodeError):
        return " with a broken login"
    return f" as {user}" + (" with a wrong password" if len(password) < PASSWORD_LENGTH else "")
