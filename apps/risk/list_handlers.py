"""How an approved change of a theme and the lifting of a restriction are carried out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from apps.core.exceptions import Refused
from apps.governance.choices import Direction
from apps.governance.choices import Permission as GovernancePermission
from apps.governance.handlers import ApprovalHandler, ChangeRow, EditField
from apps.governance.models import ApprovalRequest
from apps.governance.services import audit_record

from .models import RestrictedMarket, Theme
from .scopes import scope_text
from .services.restrictions import RESTRICTION_LIFT
from .services.themes import THEME_SHRINK, checked_members


class ThemeShrinkHandler(ApprovalHandler):
    target_type = Theme._meta.label
    propose_permission = GovernancePermission.PROPOSE_CHANGE.full

    def lock(self, target_id: str) -> None:
        if not list(Theme.objects.select_for_update().filter(pk=target_id)):
            raise Refused("There is no such theme", code="no_theme")

    def current(self, target_id: str) -> dict[str, Any]:
        theme = Theme.objects.get(pk=target_id)
        return {"slug": theme.slug, "members": theme.members}

    def validate(self, target_id: str, payload: dict[str, Any]) -> None:
        if set(payload) != {"members"} or not isinstance(payload["members"], list):
            raise Refused("A theme change has its members and nothing else", code="bad_payload")
        if checked_members(payload["members"]) == Theme.objects.get(pk=target_id).members:
            raise Refused("These are its members already", code="no_change")

    def describe(self, target_id: str, payload: dict[str, Any], current: dict[str, Any]) -> list[ChangeRow]:
        old, new = set(current["members"]), set(payload["members"])
        label = f"Theme {current['slug']}"
        gone = [ChangeRow(f"{label}: {t}", "", "member", "left out", Direction.RAISES) for t in sorted(old - new)]
        come = [ChangeRow(f"{label}: {t}", "", "not in it", "member", Direction.LOWERS) for t in sorted(new - old)]
        return gone + come

    def apply(
        self, target_id: str, payload: dict[str, Any], actor: User, now: datetime, request: ApprovalRequest
    ) -> None:
        theme = Theme.objects.get(pk=target_id)
        before = {"members": theme.members}
        theme.members, theme.updated_at = checked_members(payload["members"]), now
        theme.save()
        _audit(THEME_SHRINK, self.target_type, theme.pk, before, {"members": theme.members}, actor, now, request)

    def fields(self, target_id: str, payload: dict[str, Any]) -> list[EditField]:
        return [EditField("members", "Members, separated by spaces", " ".join(payload["members"]), "tickers")]

    def edited(self, target_id: str, payload: dict[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
        return {"members": checked_members(values["members"].split())} if "members" in values else payload


class RestrictionLiftHandler(ApprovalHandler):
    target_type = RestrictedMarket._meta.label
    propose_permission = GovernancePermission.PROPOSE_CHANGE.full

    def lock(self, target_id: str) -> None:
        if not list(RestrictedMarket.objects.select_for_update().filter(pk=target_id)):
            raise Refused("There is no such restriction", code="no_restriction")

    def current(self, target_id: str) -> dict[str, Any]:
        row = RestrictedMarket.objects.select_related("user").get(pk=target_id)
        return {
            "scope": row.scope,
            "scope_id": row.scope_id,
            "for": row.user.get_username() if row.user else "firm",
            "reason": row.reason,
            "lifted": row.lifted_at is not None,
        }

    def validate(self, target_id: str, payload: dict[str, Any]) -> None:
        if payload != {"lift": True}:
            raise Refused("Lifting a restriction lifts it and nothing else", code="bad_payload")
        if RestrictedMarket.objects.filter(pk=target_id, lifted_at=None).count() != 1:
            raise Refused("This restriction is lifted already", code="no_change")

    def describe(self, target_id: str, payload: dict[str, Any], current: dict[str, Any]) -> list[ChangeRow]:
        label = f"{scope_text(current['scope'], current['scope_id'])} for {current['for']}"
        return [ChangeRow(label, "", f"restricted: {current['reason']}", "may be traded", Direction.RAISES)]

    def apply(
        self, target_id: str, payload: dict[str, Any], actor: User, now: datetime, request: ApprovalRequest
    ) -> None:
        row = RestrictedMarket.objects.get(pk=target_id)
        row.lifted_at = now
        row.save(update_fields=["lifted_at"])
        before, after = {"lifted": False}, {"lifted": True}
        _audit(RESTRICTION_LIFT, self.target_type, row.pk, before, after, actor, now, request)


def _audit(
    action: str,
    obj_type: str,
    obj_id: int,
    before: dict[str, Any],
    after: dict[str, Any],
    actor: User,
    now: datetime,
    request: ApprovalRequest,
) -> None:
    audit_record(
        actor=actor,
        action=action,
        obj_type=obj_type,
        obj_id=obj_id,
        before=before,
        after=after | {"approval": request.pk, "requester": request.requester.get_username()},
        reason=request.reason,
        now=now,
    )
