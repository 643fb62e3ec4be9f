"""Requests whose answers were recorded from kube-apiserver 1.37.2, asked again here.

Each file holds one request a line, in an order that matters: method, path, media type, body, and what the
real server (its default admission plugins, RBAC, the usual controllers, no nodes) answered. A line without an
answer only sets the scene. NAMESPACE stands for a namespace of the file's own; what differs each time is `*`.
"""

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

RECORDED = Path(__file__).parent / "recorded"
VARIABLE = frozenset(
    [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "time",
        "deletionTimestamp",
        "nodePort",
        "clusterIP",
        "clusterIPs",
        "lastTransitionTime",
        "lastUpdateTime",
        "firstTimestamp",
        "lastTimestamp",
    ]
)


def canonical(value: Any) -> Any:
    """Without what differs from one run to the next, or depends on how far the controllers are."""
    if isinstance(value, dict):
        entries = value.get("managedFields")
        if isinstance(entries, list):
            owners = [entry for entry in entries if entry.get("manager") != "kube-controller-manager"]
            value = {
                **value,
                "managedFields": sorted(owners, key=lambda one: json.dumps(one, sort_keys=True)),
            }
        if value.get("kind") == "Deployment":
            value = {key: item for key, item in value.items() if key != "status"}
        found = {
            key: "*" if key in VARIABLE else canonical(item)
            for key, item in value.items()
            if key != "deployment.kubernetes.io/revision"
        }
        return {key: item for key, item in found.items() if (key, item) != ("annotations", {})}
    if isinstance(value, list):
        return [canonical(item) for item in value]
    if isinstance(value, str):
        value = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}", "UID", value)
        value = re.sub(r"\b\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", value)
        return re.sub(r"in record \(\d+\)", "in record (VERSION)", value)
    return value


@pytest.fixture
def http(cluster: Any) -> Iterator[urllib3.PoolManager]:
    headers = {"Authorization": f"Bearer {cluster.token}", "User-Agent": "curl/8"}
    with urllib3.PoolManager(ca_certs=str(cluster.ca_file), headers=headers, retries=False) as pool:
        yield pool


def ask(http: urllib3.PoolManager, url: str, line: dict[str, Any], namespace: str) -> dict[str, Any]:
    headers = dict(http.headers)
    if line["type"]:
        headers["Content-Type"] = line["type"]
    body = line["body"].replace("NAMESPACE", namespace) if line["body"] or line["type"] else None
    path = line["path"].replace("NAMESPACE", namespace)
    answer = http.request(line["method"], url + path, body=body, headers=headers, timeout=60)
    text = answer.data.decode().replace(namespace, "NAMESPACE")
    try:
        content = canonical(json.loads(text))
    except ValueError:
        content = text
    found = {"code": answer.status, "answer": content}
    if warnings := answer.headers.getlist("Warning"):
        found["warnings"] = sorted(warnings)
    return found


def differences(wanted: Any, found: Any, path: str = "") -> Iterator[str]:
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in sorted(wanted.keys() | found.keys()):
            if key not in found or key not in wanted:
                has, what = ("lacks", wanted) if key in wanted else ("has too much", found)
                yield f"{has} {path}.{key}: {json.dumps(what[key])[:200]}"
            else:
                yield from differences(wanted[key], found[key], f"{path}.{key}")
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for at, pair in enumerate(zip(wanted, found, strict=True)):
            yield from differences(*pair, f"{path}[{at}]")
    elif wanted != found:
        yield f"{path}: {json.dumps(found)[:300]} instead of {json.dumps(wanted)[:300]}"


@pytest.mark.parametrize("name", ["admission", "apply", "objects", "workloads"])
def test_answers_are_those_of_the_real_server(cluster: Any, http: urllib3.PoolManager, name: str) -> None:
    namespace = f"recorded-{uuid.uuid4().hex[:12]}"
    wrong = []
    for text in (RECORDED / f"{name}.jsonl").read_text().splitlines():
        line = json.loads(text)
        found = ask(http, cluster.url, line, namespace)
        if "answer" not in line:
            continue
        wanted = {key: line[key] for key in ("code", "answer", "warnings") if key in line}
        if deviations := list(differences(wanted, found)):
            asked = f"{line['method']} {line['path']} {line['body'][:120]}"
            wrong.append("\n  ".join([asked, *deviations[:6]]))
    assert not wrong, "\n".join(wrong)
