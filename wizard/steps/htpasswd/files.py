"""Writes the two Secrets, and puts former contents back.

What stood in a Secret that was there before is kept in it under a second key, because hashes may not
leave the cluster; a fingerprint in an annotation tells whether somebody has changed our contents since.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from wizard import ownership
from wizard.facts import SecretFacts
from wizard.services.cluster import Cluster, SecretContents

USERS = "kube-registry/htpasswd-users"


@dataclass(frozen=True, slots=True)
class Kept:
    """One Secret with the key we write, and the key that keeps what was there before."""

    name: str
    key: str
    previous: str
    type: str = "Opaque"

    def write(
        self,
        cluster: Cluster,
        found: SecretContents | None,
        contents: bytes,
        *,
        setup: str,
        annotations: Mapping[str, str] | None = None,
    ) -> SecretFacts:
        """Carries the resourceVersion that `found` was read with; raises Conflict where it has changed."""
        data = dict(found.data) if found else {}
        if found and found.facts.owner != setup and ownership.WRITTEN not in found.annotations:
            data[self.previous] = data.get(self.key, b"")
        data[self.key] = contents
        return cluster.write_secret(
            self.name,
            data,
            setup=setup,
            type=found.facts.type if found else self.type,
            annotations={ownership.WRITTEN: ownership.fingerprint(contents), **(annotations or {})},
            expected_version=found.facts.resource_version if found else None,
        )

    def is_as_written(self, found: SecretContents) -> bool:
        return found.annotations.get(ownership.WRITTEN) == ownership.fingerprint(
            found.data.get(self.key, b"")
        )

    def restore(self, cluster: Cluster, found: SecretContents, contents: bytes, *, setup: str) -> None:
        """Takes our keys and annotations out again and leaves `contents`; an empty one leaves no key."""
        data = {key: value for key, value in found.data.items() if key != self.previous}
        data[self.key] = contents
        if not contents:
            del data[self.key]
        cluster.write_secret(
            self.name,
            data,
            setup=setup,
            type=found.facts.type,
            annotations={ownership.WRITTEN: None, USERS: None},
            expected_version=found.facts.resource_version,
        )


def users_annotation(users: list[str]) -> dict[str, str]:
    return {USERS: json.dumps(users, ensure_ascii=False)}


def annotated_users(found: SecretContents | None) -> list[str]:
    """Whom this setup put into the file; nobody where the annotation is not ours."""
    try:
        users = json.loads(found.annotations.get(USERS, "[]")) if found else []
    except ValueError:
        return []
    return [user for user in users if isinstance(user, str)] if isinstance(users, list) else []
