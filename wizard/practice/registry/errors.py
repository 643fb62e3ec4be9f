"""Errors in the form of the distribution API (OCI distribution-spec, "Error Codes")."""

import json


class ApiError(Exception):
    """`detail` is anything that JSON can hold."""

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
        error = {"code": self.code, "message": str(self), "detail": self.detail}
        return json.dumps({"errors": [error]}).encode() + b"\n"


def unsupported() -> ApiError:
    return ApiError(405, "UNSUPPORTED", "The operation is unsupported.")


def upload_invalid() -> ApiError:
    return ApiError(404, "BLOB_UPLOAD_INVALID", "blob upload invalid")


def blob_unknown(digest: str) -> ApiError:
    return ApiError(404, "BLOB_UNKNOWN", "blob unknown to registry", digest)
