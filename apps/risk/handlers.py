"""How an approved resume or limit change is carried out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from apps.core.exceptions import Refused
from apps.governance.choices import Direction
from apps.governance.choices import Permission as GovernancePermission
from apps.governance.handlers import ApprovalHandler, ChangeRow, EditField
from apps.governance.models import ApprovalRequest
from apps.governance.services import audit_record

from .blocks import block_clear
from .choices import Permission, State
from .exceptions import NotHalted
from .limit_values import (
    check_band,
    first_direction,
    limit_bounds,
    limit_direction,
    limit_text,
    limit_value,
    unit_words,
)
from .models import RiskLimit, TradingState
from .scopes import scope_text
from .services.changes import LIMIT_CHANGE, RESUME, parse_target


class ResumeHandler(ApprovalHandler):
    """The second person is the boss or the risk role; no emergency resumes trading by one person."""

    target_type = TradingState._meta.label
    propose_permission = Permission.RESUME_TRADING.full
    raising_needs: Mapping[str, int] = {"boss|risk": 1}
    allows_emergency = False

    def lock(self, target_id: str) -> None:
        if not list(TradingState.objects.select_for_update().filter(pk=target_id)):
            raise NotHalted("There is no such trading state")

    def current(self, target_id: str) -> dict[str, Any]:
        row = TradingState.objects.get(pk=target_id)
        # The time is part of it: a scope halted anew after the request must not resume by the old one.
        return {
            "scope": row.scope,
            "scope_id": row.scope_id,
            "state": row.state,
            "reason": row.reason,
            "changed_at": row.changed_at.isoformat(),
        }

    def validate(self, target_id: str, payload: dict[str, Any]) -> None:
        if payload != {"state": State.ACTIVE.value}:
            raise Refused("A resume makes the scope active and nothing else", code="bad_payload")
        if not TradingState.objects.filter(pk=target_id).exclude(state=State.ACTIVE).exists():
            raise NotHalted("This scope is active already")

    def describe(self, target_id: str, payload: dict[str, Any], current: dict[str, Any]) -> list[ChangeRow]:
        label = scope_text(current["scope"], current["scope_id"])
        return [ChangeRow(label, "", current["state"], payload["state"], Direction.RAISES)]

    def apply(
        self, target_id: str, payload: dict[str, Any], actor: User, now: datetime, request: ApprovalRequest
    ) -> None:
        row = TradingState.objects.get(pk=target_id)
        before = {"state": row.state, "reason": row.reason}
        row.state, row.reason, row.changed_by, row.changed_at = State.ACTIVE, request.reason, actor, now
        row.save()
        audit_record(
            actor=actor,
            action=RESUME,
            obj_type=self.target_type,
            obj_id=row.pk,
            before=before,
            after={"state": row.state, "approval": request.pk, "requester": request.requester.get_username()},
            reason=request.reason,
            now=now,
        )
        transaction.on_commit(partial(block_clear, scope=row.scope, scope_id=row.scope_id))


class LimitChangeHandler(ApprovalHandler):
    target_type = RiskLimit._meta.label
    propose_permission = GovernancePermission.PROPOSE_CHANGE.full

    def lock(self, target_id: str) -> None:
        rule, scope, scope_id = parse_target(target_id)
        list(RiskLimit.objects.select_for_update().filter(rule=rule, scope=scope, scope_id=scope_id))

    def current(self, target_id: str) -> dict[str, Any]:
        row = self._row(target_id)
        return {"value": limit_text(row.value) if row else None, "version": row.version if row else 0}

    def validate(self, target_id: str, payload: dict[str, Any]) -> None:
        rule, scope, scope_id = parse_target(target_id)
        if set(payload) != {"value"}:
            raise Refused("A limit change has a value and nothing else", code="bad_payload")
        value = limit_value(rule, payload["value"])
        row = self._row(target_id)
        if row is not None and row.value == value:
            raise Refused("That is the limit already", code="no_change")
        check_band(rule, scope, scope_id, value)

    def describe(self, target_id: str, payload: dict[str, Any], current: dict[str, Any]) -> list[ChangeRow]:
        rule, scope, scope_id = parse_target(target_id)
        new, old = Decimal(payload["value"]), current["value"]
        label = f"{rule.label}, {scope_text(scope, scope_id)}"
        direction = first_direction(rule, scope, scope_id) if old is None else limit_direction(rule, Decimal(old), new)
        bounds = limit_bounds(rule)
        return [ChangeRow(label, unit_words(rule), old or "no limit here", limit_text(new), direction, bounds)]

    def apply(
        self, target_id: str, payload: dict[str, Any], actor: User, now: datetime, request: ApprovalRequest
    ) -> None:
        rule, scope, scope_id = parse_target(target_id)
        before = self.current(target_id)
        row, _ = RiskLimit.objects.update_or_create(
            rule=rule,
            scope=scope,
            scope_id=scope_id,
            defaults={
                "value": limit_value(rule, payload["value"]),
                "version": before["version"] + 1,
                "updated_at": now,
            },
        )
        audit_record(
            actor=actor,
            action=LIMIT_CHANGE,
            obj_type=self.target_type,
            obj_id=row.pk,
            before=before,
            after={
                "value": limit_text(row.value),
                "version": row.version,
                "approval": request.pk,
                "requester": request.requester.get_username(),
            },
            reason=request.reason,
            now=now,
        )

    def base_version(self, current: dict[str, Any]) -> str:
        return f"version {current['version']}" if current["version"] else "no limit"

    def fields(self, target_id: str, payload: dict[str, Any]) -> list[EditField]:
        rule, _, _ = parse_target(target_id)
        return [EditField("value", rule.label, payload["value"], unit_words(rule), limit_bounds(rule))]

    def edited(self, target_id: str, payload: dict[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
        return {"value": values.get("value", payload["value"]).strip()}

    def _row(self, target_id: str) -> RiskLimit | None:
        rule, scope, scope_id = parse_target(target_id)
        return RiskLimit.objects.filter(rule=rule, scope=scope, scope_id=scope_id).first()
