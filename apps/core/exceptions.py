"""Errors of the Django side.

ApplicationError          root; carries a stable `code` and details for the interface that catches it
|- Refused               we said no: permission, state or limit; never retried
|  `- NotPermitted       the actor lacks the right
`- Conflict              the object changed under the caller; reload and decide again
"""

from __future__ import annotations

from typing import Any


class ApplicationError(Exception):
    """An anticipated error with a message for people and a code for programs."""

    code = "error"

    def __init__(self, message: str, *, code: str | None = None, extra: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.extra = extra or {}


class Refused(ApplicationError):
    code = "refused"


class NotPermitted(Refused):
    code = "not_permitted"


class Conflict(ApplicationError):
    code = "conflict"
