"""A governed change that exists only for these tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import User

from apps.core.exceptions import Refused
from apps.governance import handlers
from apps.governance.choices import Direction
from apps.governance.handlers import ApprovalHandler, ChangeRow, EditField
from apps.governance.models import ApprovalRequest
from apps.governance.services import audit_record
from tests.people import client_of, team  # noqa: F401  fixtures

ACTION = "test.number.change"
TARGET = "test.Number"


class NumberHandler(ApprovalHandler):
    """Changes numbers held in memory; a larger number raises risk."""

    target_type = TARGET
    propose_permission = "governance.propose_change"

    def __init__(self) -> None:
        self.numbers = {"1": 5, "2": 7}
        self.fails = False
        self.bounds = "0 to 999"

    def lock(self, target_id: str) -> None:
        if target_id not in self.numbers:
            raise Refused("no such number", code="no_target")

    def current(self, target_id: str) -> dict[str, Any]:
        return {"value": self.numbers[target_id]}

    def validate(self, target_id: str, payload: dict[str, Any]) -> None:
        if not isinstance(payload.get("value"), int):
            raise Refused("not a number", code="bad_number")

    def describe(self, target_id: str, payload: dict[str, Any], current: dict[str, Any]) -> list[ChangeRow]:
        old, new = current["value"], payload["value"]
        direction = Direction.RAISES if new > old else Direction.LOWERS if new < old else Direction.UNCHANGED
        return [ChangeRow("Number", "", str(old), str(new), direction, self.bounds)]

    def apply(
        self, target_id: str, payload: dict[str, Any], actor: User, now: datetime, request: ApprovalRequest
    ) -> None:
        audit_record(actor=actor, action=ACTION, obj_type=TARGET, obj_id=target_id, now=now, after=payload)
        if self.fails:
            raise Refused("the change failed half way", code="failed")
        self.numbers[target_id] = payload["value"]

    def fields(self, target_id: str, payload: dict[str, Any]) -> list[EditField]:
        return [EditField("value", "Number", str(payload["value"]), "", "0 to 999")]

    def edited(self, target_id: str, payload: dict[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
        return {"value": int(values["value"])} if values else payload


@pytest.fixture
def number(monkeypatch: pytest.MonkeyPatch) -> Iterator[NumberHandler]:
    handler = NumberHandler()
    monkeypatch.setitem(handlers._handlers, ACTION, handler)
    return handler
