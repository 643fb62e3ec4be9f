"""Problem documents (RFC 7807) with ACME's types (RFC 8555, section 6.7)."""

from collections.abc import Sequence
from typing import Any

NAMESPACE = "urn:ietf:params:acme:error:"

# As Let's Encrypt answers them; every other type is a 400.
STATUS = {
    "accountDoesNotExist": 400,
    "alreadyReplaced": 409,
    "caa": 403,
    "externalAccountRequired": 403,
    "orderNotReady": 403,
    "rateLimited": 429,
    "serverInternal": 500,
    "unauthorized": 403,
    "userActionRequired": 403,
}


class Problem(Exception):
    """`kind` is the type without its namespace; `extra` are further members of the document."""

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        status: int | None = None,
        headers: Sequence[tuple[str, str]] = (),
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.status = status or STATUS.get(kind, 400)
        self.headers = list(headers)
        self.extra = extra

    def document(self) -> dict[str, Any]:
        return {"type": NAMESPACE + self.kind, "detail": self.detail, "status": self.status, **self.extra}

    def about(self, prefix: str) -> "Problem":
        """The same problem, its detail introduced by what was being done."""
        return Problem(
            self.kind, prefix + self.detail, status=self.status, headers=self.headers, **self.extra
        )
