"""Everything that an account owns, in a canonical form: two dumps are equal when nothing has changed.

Without dates, usage counts and random IDs that no one can set.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from wizard.practice.aws import moto_parts
from wizard.practice.aws.callers import user_boundary
from wizard.practice.aws.zones import record_sets

Tree = dict[str, Any]


def dump(account: str) -> Tree:
    """Shape: `{"buckets": {name: {...}}, "users": ..., "policies": ..., "zones": ..., "balancers": ...}`."""
    iam = moto_parts.backend("iam", account, "")
    return {
        "buckets": _buckets(account),
        "users": {user.name: _user(iam, user) for user in _sorted(iam.users.values())},
        "groups": {group.name: _principal(group) for group in _sorted(iam.groups.values())},
        "roles": {role.name: _principal(role) for role in _sorted(iam.roles.values())},
        "policies": {policy.arn: _policy(iam, policy) for policy in _sorted(iam.managed_policies.values())},
        "zones": _zones(account),
        "classic_balancers": _classic(account),
        "balancers": _modern(account),
        "target_groups": _target_groups(account),
    }


def _sorted(items: Any) -> list[Any]:
    return sorted(items, key=lambda item: str(item.name))


def _tags(listed: Any) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in sorted(listed or [], key=lambda tag: str(tag["Key"]))}


def _buckets(account: str) -> Tree:
    s3 = moto_parts.backend("s3", account, "")
    return {
        name: {
            "region": bucket.region_name,
            "encryption": _plain(bucket.encryption),
            "public_access_block": _plain(getattr(bucket.public_access_block, "__dict__", None)),
            "ownership": bucket.ownership_rule,
            "lifecycle": sorted((_plain(rule.__dict__) for rule in bucket.rules), key=json.dumps),
            "policy": _document(bucket.policy.decode()) if bucket.policy else None,
            "cors": [_plain(rule.__dict__) for rule in bucket.cors],
            "versioning": bucket.versioning_status,
            "tags": dict(sorted(s3.tagger.get_tag_dict_for_resource(_bucket_arn(name)).items())),
            "objects": _objects(bucket),
            "uploads": sorted(upload.key_name for upload in bucket.multiparts.values()),
        }
        for name, bucket in sorted(s3.buckets.items())
    }


def _bucket_arn(name: str) -> str:
    return f"arn:aws:s3:::{name}"


def _objects(bucket: Any) -> Tree:
    found: Tree = {}
    for name in sorted(bucket.keys):
        versions = bucket.keys.getlist(name)
        found[name] = [
            {"sha256": hashlib.sha256(version.value).hexdigest(), "size": version.size}
            if hasattr(version, "value")
            else "delete marker"
            for version in versions
        ]
    return found


def _principal(owner: Any) -> Tree:
    return {
        "path": owner.path,
        "attached": sorted(owner.managed_policies),
        "inline": {name: _document(text) for name, text in sorted(owner.policies.items())},
    }


def _user(iam: Any, user: Any) -> Tree:
    return _principal(user) | {
        "tags": _tags(user.tags),
        "boundary": user_boundary(user),
        "groups": sorted(group.name for group in iam.get_groups_for_user(user.name)),
        "access_keys": {key.access_key_id: key.status for key in user.access_keys},
        "has_password": user.password is not None,
    }


def _policy(iam: Any, policy: Any) -> Tree:
    return {
        "default": policy.default_version_id,
        "versions": {version.version_id: _document(version.document) for version in policy.versions},
        "description": policy.description,
        "tags": _tags(iam.tagger.list_tags_for_resource(policy.arn)["Tags"])
        | _tags(_listed_tags(policy.tags)),
    }


def _listed_tags(tags: Any) -> list[dict[str, str]]:
    return list(tags.values()) if isinstance(tags, Mapping) else list(tags or [])


def _document(text: str) -> Any:
    try:
        return json.loads(unquote(text))
    except ValueError:
        return text


def _zones(account: str) -> Tree:
    route53 = moto_parts.backend("route53", account, "")
    return {
        zone_id: {
            "name": zone.name,
            "comment": zone.comment,
            "is_private": zone.private_zone,
            "tags": dict(sorted(route53.resource_tags.get(zone_id, {}).items())),
            "records": [
                {
                    "name": record.name,
                    "type": record.type,
                    "ttl": record.ttl,
                    "values": sorted(record.values),
                    "alias": [record.alias_name, record.alias_zone, record.evaluates_health],
                    "identifier": record.identifier,
                    **record.extras,
                }
                for record in sorted(record_sets(zone), key=lambda record: [str(part) for part in record.key])
            ],
        }
        for zone_id, zone in sorted(route53.zones.items())
    }


def _classic(account: str) -> Tree:
    return {
        f"{aws_region}/{name}": {
            "scheme": item.scheme,
            "dns_name": item.dns_name,
            "zones": sorted(item.availability_zones),
            "subnets": sorted(item.subnets),
            "attributes": _plain(item.attributes),
            "listeners": sorted((_plain(listener.__dict__) for listener in item.listeners), key=json.dumps),
            "instances": sorted(item.instance_ids),
            "tags": dict(sorted(item.tags.items())),
        }
        for aws_region in sorted(moto_parts.used_regions("elb", account))
        for name, item in sorted(moto_parts.backend("elb", account, aws_region).load_balancers.items())
    }


def _modern(account: str) -> Tree:
    found = {}
    for aws_region in sorted(moto_parts.used_regions("elbv2", account)):
        elbv2 = moto_parts.backend("elbv2", account, aws_region)
        for arn, item in sorted(elbv2.load_balancers.items()):
            listeners = elbv2.describe_listeners(arn, [])
            found[arn] = {
                "type": item.type,
                "scheme": item.scheme,
                "dns_name": item.dns_name,
                "attributes": _plain(item.attrs),
                "subnets": sorted(subnet.id for subnet in item.subnets),
                "listeners": [
                    {"port": str(one.port), "protocol": one.protocol, "attributes": _plain(one.attributes)}
                    for one in sorted(listeners, key=lambda one: int(one.port))
                ],
                "tags": dict(sorted(elbv2.tagging_service.get_tag_dict_for_resource(arn).items())),
            }
    return found


def _target_groups(account: str) -> Tree:
    return {
        arn: {"name": group.name, "port": str(group.port), "protocol": group.protocol}
        for aws_region in sorted(moto_parts.used_regions("elbv2", account))
        for arn, group in sorted(moto_parts.backend("elbv2", account, aws_region).target_groups.items())
    }


def _plain(value: Any) -> Any:
    """JSON's types, with sorted keys; other objects become their attributes.

    moto keeps a document's XML name space beside its fields, and a default of its own has none.
    """
    if isinstance(value, Mapping):
        return {str(key): _plain(value[key]) for key in sorted(value, key=str) if key != "@xmlns"}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return _plain(getattr(value, "__dict__", str(value)))
