"""Errors as the API tells them: HTTP code and a `Status` object.

Shapes and texts follow apimachinery's `api/errors`.
"""

import json
from typing import Any

from wizard.practice.kubernetes.kinds import Resource
from wizard.practice.kubernetes.objects import Obj


class ApiError(Exception):
    """`details` has any of name, group, kind, uid, causes, retryAfterSeconds.

    A generic answer, about no object, has empty details; other errors without details leave them out.
    """

    def __init__(
        self, code: int, reason: str, message: str, *, is_generic: bool = False, **details: Any
    ) -> None:
        super().__init__(message)
        self._is_generic = is_generic
        self.code = code
        self.reason = reason
        self.message = message
        self.details = {key: value for key, value in details.items() if value not in (None, "", [])}

    def status(self) -> Obj:
        body: Obj = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.code,
        }
        kept = ("metadata", "details") if self._is_generic else ("metadata",)
        return {key: value for key, value in body.items() if value or key in kept}


def not_found(resource: Resource, name: str) -> ApiError:
    message = f'{resource.full_name} "{name}" not found'
    return ApiError(404, "NotFound", message, name=name, group=resource.group, kind=resource.plural)


def no_such_path() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource", is_generic=True)


def already_exists(resource: Resource, name: str) -> ApiError:
    message = f'{resource.full_name} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, name=name, group=resource.group, kind=resource.plural)


def conflict(resource: Resource, name: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on {resource.full_name} "{name}": {why}'
    return ApiError(409, "Conflict", message, name=name, group=resource.group, kind=resource.plural)


def modified_since(resource: Resource, name: str) -> ApiError:
    return conflict(
        resource,
        name,
        "the object has been modified; please apply your changes to the latest version and try again",
    )


def forbidden(resource: Resource, name: str, why: str, causes: list[Obj] | None = None) -> ApiError:
    subject = f'{resource.full_name} "{name}"' if name else resource.full_name
    message = f"{subject} is forbidden: {why}"
    return ApiError(
        403,
        "Forbidden",
        message,
        name=name,
        group=resource.group,
        kind=resource.plural,
        causes=causes,
    )


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def method_not_allowed() -> ApiError:
    return ApiError(
        405,
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
        is_generic=True,
    )


def unprocessable() -> ApiError:
    text = "the server rejected our request due to an error in our request"
    return ApiError(422, "Invalid", text, is_generic=True)


def unsupported_patch_type() -> ApiError:
    return ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", is_generic=True)


def bad_option(options: str, field: str, problem: str) -> ApiError:
    """An option of a request that is not allowed; `options` is CreateOptions and so on."""
    message = f'{options}.meta.k8s.io "" is invalid: {field}: {problem}'
    reason = {"U": "NotSupported", "R": "Required", "T": "TooLong"}[problem[0]]
    cause = {"reason": f"FieldValue{reason}", "message": problem, "field": field}
    return ApiError(422, "Invalid", message, group="meta.k8s.io", kind=options, causes=[cause])


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def expired(message: str) -> ApiError:
    return ApiError(410, "Expired", message)


def unsupported_media_type(accepted: tuple[str, ...]) -> ApiError:
    return ApiError(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(accepted),
    )


def _go(value: Any) -> str:
    """A value as Go's field errors print it: text quoted, the rest as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Problems:
    """What is wrong with one object, collected field by field; `raise_if_any` answers with 422."""

    def __init__(self) -> None:
        self.causes: list[Obj] = []

    def __bool__(self) -> bool:
        return bool(self.causes)

    def _add(self, reason: str, field: str, message: str) -> None:
        cause = {"reason": reason, "message": message, "field": field}
        if cause not in self.causes:
            self.causes.append(cause)

    def required(self, field: str, detail: str = "") -> None:
        self._add("FieldValueRequired", field, f"Required value: {detail}" if detail else "Required value")

    def invalid(self, field: str, value: Any, detail: str) -> None:
        self._add("FieldValueInvalid", field, f"Invalid value: {_go(value)}: {detail}")

    def not_supported(self, field: str, value: Any, allowed: tuple[str, ...]) -> None:
        listed = ", ".join(_go(item) for item in allowed)
        self._add(
            "FieldValueNotSupported", field, f"Unsupported value: {_go(value)}: supported values: {listed}"
        )

    def duplicate(self, field: str, value: Any) -> None:
        self._add("FieldValueDuplicate", field, f"Duplicate value: {_go(value)}")

    def not_found(self, field: str, value: Any) -> None:
        self._add("FieldValueNotFound", field, f"Not found: {_go(value)}")

    def forbidden(self, field: str, detail: str) -> None:
        self._add("FieldValueForbidden", field, f"Forbidden: {detail}")

    def too_long(self, field: str, most: int) -> None:
        self._add("FieldValueTooLong", field, f"Too long: may not be more than {most} bytes")

    def raise_if_any(self, resource: Resource, name: str) -> None:
        if not self.causes:
            return
        parts = [f"{cause['field']}: {cause['message']}" for cause in self.causes]
        listed = parts[0] if len(parts) == 1 else f"[{', '.join(parts)}]"
        raise ApiError(
            422,
            "Invalid",
            f'{resource.full_kind} "{name}" is invalid: {listed}',
            name=name,
            group=resource.group,
            kind=resource.kind,
            causes=self.causes,
        )
