"""How governance carries out an approved change it knows nothing about.

The app that owns a change registers a handler per action name in its `AppConfig.ready()`.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .choices import Direction
from .exceptions import UnknownAction

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from .models import ApprovalRequest

JsonDict = dict[str, Any]


class ChangeRow(NamedTuple):
    """One value before and after, as a person reads it; an empty unit means a plain number or word."""

    label: str
    unit: str
    old: str
    new: str
    direction: Direction


class ApprovalHandler(Protocol):
    """What the owner of a change provides. Every payload and current state is JSON without floats."""

    target_type: str
    propose_permission: str

    def lock(self, target_id: str) -> None:
        """Locks the target's rows until the transaction ends; raises `Refused` if there is no such target."""

    def current(self, target_id: str) -> JsonDict:
        """The values a request would replace. A request may be applied only while these are unchanged."""

    def validate(self, target_id: str, payload: JsonDict) -> None:
        """Raises `Refused` for a payload that could not be applied."""

    def describe(self, target_id: str, payload: JsonDict, current: JsonDict) -> list[ChangeRow]:
        """Old against new for the person who decides."""

    def apply(self, target_id: str, payload: JsonDict, actor: User, now: datetime, request: ApprovalRequest) -> None:
        """Makes the change inside the caller's transaction and writes its own audit row."""


_handlers: dict[str, ApprovalHandler] = {}


def register(action: str, handler: ApprovalHandler) -> None:
    """Raises `ValueError` when another handler already has the action."""
    known = _handlers.get(action)
    if known is not None and type(known) is not type(handler):
        raise ValueError(f"approval action {action!r} is already registered")
    _handlers[action] = handler


def handler_for(action: str) -> ApprovalHandler:
    try:
        return _handlers[action]
    except KeyError:
        raise UnknownAction(f"No handler is registered for {action!r}") from None


def raises_risk(rows: list[ChangeRow]) -> bool:
    """True when any row raises risk or its effect is not known."""
    return any(row.direction in (Direction.RAISES, Direction.UNKNOWN) for row in rows)
