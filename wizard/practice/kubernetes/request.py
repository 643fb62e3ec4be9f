"""A request and its answer, apart from sockets."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from wizard.practice.kubernetes import kinds, protobuf
from wizard.practice.kubernetes.api import Call
from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import Obj
from wizard.practice.kubernetes.status import (
    ApiError,
    bad_option,
    bad_request,
    no_such_path,
    unsupported_media_type,
)

JSON = "application/json"
YAML = "application/yaml"
APPLY = ("application/apply-patch+yaml", "application/apply-patch+cbor")
_NO_OBJECT = (
    "json: cannot unmarshal array into Go value of type struct { APIVersion string "
    r'"json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'
)
_BODY_TYPES = (JSON, YAML, protobuf.MEDIA_TYPE)
_TRUE = ("true", "1", "t", "T", "TRUE", "True")


@dataclass(slots=True)
class Answer:
    """`body` is JSON (a dict), text, or a stream of chunks."""

    code: int
    body: Obj | str | Iterator[bytes]
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = ""
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Target:
    """What a path of the API names; an empty `name` is a collection."""

    resource: Resource
    namespace: str
    name: str
    subresource: str


@dataclass
class Request:
    """`headers` has lower-case names; `user` is empty where no token came."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    user: str = ""

    @cached_property
    def path(self) -> str:
        return unquote(urlsplit(self.url).path)

    @cached_property
    def query(self) -> dict[str, str]:
        found = parse_qs(urlsplit(self.url).query, keep_blank_values=True)
        return {key: values[0] for key, values in found.items()}

    def flag(self, name: str) -> bool:
        return self.query.get(name, "") in _TRUE

    def number(self, name: str) -> int | None:
        """A count from the query; raises 400."""
        text = self.query.get(name)
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None

    @cached_property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").split(";")[0].strip().lower()

    @cached_property
    def is_table_wanted(self) -> bool:
        return "as=Table" in self.headers.get("accept", "")

    def call(self, options: str) -> Call:
        """Who asks; `options` names the kind that errors blame: CreateOptions and so on."""
        manager = self.query.get("fieldManager") or self.headers.get("user-agent", "unknown").split("/")[0]
        dry_run, validation = self.query.get("dryRun"), self.query.get("fieldValidation", "")
        if dry_run not in (None, "", "All"):
            raise bad_option(options, "dryRun", f'Unsupported value: ["{dry_run}"]: supported values: "All"')
        if validation not in ("", "Ignore", "Strict", "Warn"):
            allowed = 'supported values: "", "Ignore", "Strict", "Warn"'
            raise bad_option(options, "fieldValidation", f'Unsupported value: "{validation}": {allowed}')
        if len(manager) > 128:
            raise bad_option(options, "fieldManager", "Too long: may not be more than 128 bytes")
        return Call(self.user, manager[:128], dry_run == "All", validation or "Warn")

    def document(self, resource: Resource) -> Obj:
        """The body as an object; raises 400 or 415."""
        if self.content_type and self.content_type not in _BODY_TYPES:
            raise unsupported_media_type(_BODY_TYPES)
        if self.content_type == protobuf.MEDIA_TYPE:
            try:
                return protobuf.decode(self.body, resource)
            except protobuf.NotDecodable as error:
                raise bad_request(str(error)) from error
        found = self.yaml() if self.content_type == YAML else self.json(resource.kind)
        if not isinstance(found, dict):
            raise self._unrecognized(resource.kind, _NO_OBJECT)
        if not isinstance(found.get("metadata", {}), dict):
            raise bad_request(
                f'{resource.kind} in version "v1" cannot be handled as a {resource.kind}: json: cannot '
                f"unmarshal string into Go struct field {resource.kind}.metadata of type v1.ObjectMeta"
            )
        return found

    def _unrecognized(self, kind: str, why: str) -> ApiError:
        shown = self.body[:64].hex() or "<empty>"
        return bad_request(
            f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; "
            f"json parse error: {why} ({shown})"
        )

    def json(self, kind: str) -> Any:
        try:
            return json.loads(self.body, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            why = "unexpected end of JSON input" if not self.body.strip() else f"invalid character: {error}"
            raise self._unrecognized(kind, why) from None

    def yaml(self) -> Any:
        import yaml

        try:
            return json.loads(self.body, parse_constant=_refuse)
        except (ValueError, RecursionError):
            pass
        try:
            found = yaml.safe_load(self.body)
            return json.loads(json.dumps(found, default=str))
        except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
            first = str(error).splitlines()[0]
            raise bad_request(f"error decoding patch: error converting YAML to JSON: yaml: {first}") from None


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def target(path: str) -> Target:
    """Parses `/api/v1/...` and `/apis/GROUP/v1/...`; raises 404."""
    parts = [part for part in path.split("/") if part]
    if parts[:1] == ["api"]:
        group, rest = "", parts[1:]
    elif parts[:1] == ["apis"] and len(parts) > 1:
        group, rest = parts[1], parts[2:]
    else:
        raise no_such_path()
    if rest[:1] != ["v1"] or len(rest) < 2:
        raise no_such_path()
    rest, namespace = rest[1:], ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in kinds.NAMESPACES.subresources:
        namespace, rest = rest[1], rest[2:]
    resource = kinds.find(group, rest[0])
    name, subresource = [*rest[1:], "", ""][:2]
    if resource is None or len(rest) > 3 or (resource.is_namespaced and name and not namespace):
        raise no_such_path()
    if namespace and not resource.is_namespaced:
        raise no_such_path()
    if subresource and subresource not in resource.subresources:
        raise no_such_path()
    return Target(resource, namespace, name, subresource)
