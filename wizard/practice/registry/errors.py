"""Errors in the form of the distribution API (OCI distribution-spec, "Error Codes")."""

import json


class ApiError(Exception):
    """`detail` is anything that JSON can hold; None leaves it out."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        detail: object = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.detail = status, code, detail
        self.headers = headers or {}

    def body(self) -> bytes:
        error: dict[str, object] = {"code": self.code, "message": str(self)}
        if self.detail is not None:
            # The access that was asked for is told even where it has no name, as at /v2/.
            error["detail"] = self.detail or None
        return json.dumps({"errors": [error]}, separators=(",", ":")).encode() + b"\n"


def unauthorized(realm: str, access: list[tuple[str, str, str]]) -> ApiError:
    """`access` holds type, name and action of each right that the request needs."""
    detail = [{"Type": kind, "Class": "", "Name": name, "Action": action} for kind, name, action in access]
    headers = {"Www-Authenticate": f"Basic realm={json.dumps(realm)}"}
    return ApiError(401, "UNAUTHORIZED", "authentication required", detail, headers)


def unsupported() -> ApiError:
    return ApiError(405, "UNSUPPORTED", "The operation is unsupported.")


def upload_invalid() -> ApiError:
    return ApiError(404, "BLOB_UPLOAD_INVALID", "blob upload invalid")


def upload_unknown() -> ApiError:
    return ApiError(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")


def digest_invalid(detail: str | None = None) -> ApiError:
    return ApiError(400, "DIGEST_INVALID", "provided digest did not match uploaded content", detail)


def blob_unknown(digest: str | None = None) -> ApiError:
    return ApiError(404, "BLOB_UNKNOWN", "blob unknown to registry", digest)
