"""Looks at the cluster: context, namespace, Secret."""

from typing import Any

from wizard import names, ownership
from wizard.answers import Answers
from wizard.looks.answer import Look, bad, good, warning
from wizard.looks.doors import Doors


def context(answers: Answers, doors: Doors) -> Look:
    cluster = doors.cluster_of(answers)
    version = cluster.version()
    chosen = "" if answers.connect.kube_context else f"{cluster.context}: "
    return good("answers", f"{chosen}Kubernetes {version} at {cluster.server}.")


def namespace(answers: Answers, doors: Doors) -> Look:
    wanted = answers.connect
    found = doors.cluster_of(answers).get("v1", "Namespace", wanted.namespace, namespaced=False)
    if found is None:
        if wanted.create_namespace:
            return good("free", "It will be made.")
        return bad(
            "absent",
            f"There is no namespace {wanted.namespace}.",
            "Tick connect.create_namespace, or correct the name.",
        )
    if str((found.get("status") or {}).get("phase", "")) == "Terminating":
        return bad("going", "It is being deleted.", "Wait until it is gone, or type another name.")
    owner = _owner(found)
    if owner and owner != answers.setup:
        return bad("in use", f"The setup {owner} made it for itself.", "Type another name.")
    return good("there")


def pull_namespaces(answers: Answers, doors: Doors) -> Look:
    cluster, wanted = doors.cluster_of(answers), answers.proof.pull_secret_namespaces
    absent = [each for each in wanted if cluster.get("v1", "Namespace", each, namespaced=False) is None]
    if absent:
        told = f"There is no namespace {' and no '.join(absent)}."
        return bad("absent", told, "Make it first, or correct the name.")
    return good("there", f"Pods of {', '.join(wanted)} may pull.")


def secret(answers: Answers, doors: Doors) -> Look:
    wanted = answers.user
    place = answers.connect.namespace
    cluster = doors.cluster_of(answers)
    found = cluster.get("v1", "Secret", wanted.secret_name, namespace=place)
    is_brought = wanted.kind == "existing-secret"
    if found is None:
        if is_brought:
            return bad(
                "absent",
                f"There is no Secret {wanted.secret_name} in the namespace {place}.",
                "Make it there, or correct the name.",
            )
        return good("free", "It will be made.")
    if is_brought:
        return _complete(found)
    owner = _owner(found)
    if owner == answers.setup:
        return good("yours", "This setup made it.")
    if owner:
        return bad("in use", f"The setup {owner} made it.", "Type another name.")
    return warning("there", "It exists already; you will be asked before it is used.")


def _complete(found: dict[str, Any]) -> Look:
    needed = (names.S3_ACCESS_KEY_ID, names.S3_SECRET_ACCESS_KEY)
    lacking = [key for key in needed if key not in (found.get("data") or {})]
    if lacking:
        return bad(
            "incomplete", f"It holds no {' and no '.join(lacking)}.", "Add what is missing to the Secret."
        )
    return good("there", "It holds a key.")


def _owner(found: dict[str, Any]) -> str:
    return ownership.owner_of_labels((found.get("metadata") or {}).get("labels"))
