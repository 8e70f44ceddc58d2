"""How governance carries out an approved change it knows nothing about.

The app that owns a change registers a handler per action name in its `AppConfig.ready()`. A handler subclasses
`ApprovalHandler`, which has the usual answers, and gives the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol

from .choices import Direction
from .digest import JsonDict, sha256_of
from .exceptions import UnknownAction

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from .models import ApprovalRequest


class ChangeRow(NamedTuple):
    """One value before and after, as a person reads it; an empty unit means a plain number or word.

    `bounds` is what the value may be, e.g. "0.0100 to 0.2000"; empty where nothing bounds it.
    """

    label: str
    unit: str
    old: str
    new: str
    direction: Direction
    bounds: str = ""


class EditField(NamedTuple):
    """One value of an open request that may be edited, for a form; with `choices` it is one of them."""

    name: str
    label: str
    value: str
    unit: str = ""
    bounds: str = ""
    choices: tuple[str, ...] = ()


class ApprovalHandler(Protocol):
    """What the owner of a change provides. Every payload and current state is JSON without floats.

    `raising_needs` are the signatures a change needs that raises risk or whose effect is unknown, `other_needs` those
    of any other that is signed at all: roles to how many, alternatives joined by "|" ("boss|risk"). The table of rules
    can ask for more, never for less. `allows_emergency` says whether breaking the glass may make the change.
    """

    target_type: str
    propose_permission: str
    raising_needs: Mapping[str, int] = {"boss": 1}
    other_needs: Mapping[str, int] = {"boss|operations|risk": 1}
    allows_emergency: bool = True

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

    def environment(self, target_id: str) -> str:
        """simulated, paper, demo or live; empty when it reaches all of them, which is the strictest."""
        return ""

    def params_hash(self, target_id: str, payload: JsonDict) -> str:
        """The hash of everything that would be in force afterwards, not only of what changes."""
        return sha256_of(payload)

    def base_version(self, current: JsonDict) -> str:
        """A short name of the state that would be replaced, for people; the signature covers the state itself."""
        return sha256_of(current)[:12]

    def fields(self, target_id: str, payload: JsonDict) -> list[EditField]:
        """What may be edited while the request is open; nothing by default."""
        return []

    def edited(self, target_id: str, payload: JsonDict, values: Mapping[str, str]) -> JsonDict:
        """The payload with `values` (by the names of `fields`) put in; raises `Refused` with `extra["field"]`."""
        return payload


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


def actions() -> list[str]:
    """Every action that has a handler."""
    return list(_handlers)


def risk_of(rows: list[ChangeRow]) -> Direction:
    """What a change does as a whole: raises when any row does or may, lowers when every changed row does.

    A change that cannot be shown raises.
    """
    changed = {row.direction for row in rows} - {Direction.UNCHANGED}
    if not changed or changed & {Direction.RAISES, Direction.UNKNOWN}:
        return Direction.RAISES
    return Direction.LOWERS if changed == {Direction.LOWERS} else Direction.NEUTRAL
