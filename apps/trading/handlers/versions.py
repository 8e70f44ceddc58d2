from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from apps.core.exceptions import Refused
from apps.governance.choices import Direction
from apps.governance.choices import Permission as GovernancePermission
from apps.governance.handlers import ApprovalHandler, ChangeRow
from apps.governance.models import ApprovalRequest
from apps.governance.services import audit_record
from apps.trading.models import StrategyVersion
from apps.trading.services.versions import VERSION_APPROVE, version_check, version_reviewed

from .base import require_keys


class VersionApproveHandler(ApprovalHandler):
    """The review of decision code. Who signs last is its reviewer; the hash is what was looked at."""

    target_type = StrategyVersion._meta.label
    propose_permission = GovernancePermission.PROPOSE_CHANGE.full
    allows_emergency = False

    def lock(self, target_id: str) -> None:
        if not list(StrategyVersion.objects.select_for_update().filter(pk=target_id)):
            raise Refused("There is no such version", code="no_target")

    def current(self, target_id: str) -> dict[str, Any]:
        version = _version(target_id)
        return {
            "code_hash": version.code_hash,
            "scope": version.scope,
            "execution_styles": version.execution_styles,
            "reviewed_by": version.reviewed_by.get_username() if version.reviewed_by else None,
        }

    def validate(self, target_id: str, payload: dict[str, Any]) -> None:
        require_keys(payload, "code_hash", "schema_hash", "scope", "execution_styles")
        version = _version(target_id)
        if payload["code_hash"] != version.code_hash:
            raise Refused("The request names other code than the version", code="bad_payload")
        version_check(version, payload["scope"], payload["execution_styles"])

    def describe(self, target_id: str, payload: dict[str, Any], current: dict[str, Any]) -> list[ChangeRow]:
        def row(label: str, old: object, new: object, unit: str = "") -> ChangeRow:
            return ChangeRow(label, unit, str(old), str(new), Direction.RAISES)

        return [
            row("Decision code", f"{current['code_hash'][:12]}, reviewed by {current['reviewed_by'] or 'nobody'}",
                f"{payload['code_hash'][:12]}, reviewed by the last who signs"),
            row("Parameter schema", "", payload["schema_hash"][:12]),
            row("Markets covered", ", ".join(current["scope"]) or "none", ", ".join(payload["scope"])),
            row("Execution styles", ", ".join(current["execution_styles"]) or "none",
                ", ".join(payload["execution_styles"])),
        ]  # fmt: skip

    def base_version(self, current: dict[str, Any]) -> str:
        return f"code {current['code_hash'][:12]}"

    def apply(
        self, target_id: str, payload: dict[str, Any], actor: User, now: datetime, request: ApprovalRequest
    ) -> None:
        version = _version(target_id)
        before = self.current(target_id)
        version_reviewed(
            version=version,
            scope=payload["scope"],
            execution_styles=payload["execution_styles"],
            approval=request,
            reviewer=actor,
            now=now,
        )
        audit_record(
            actor=actor,
            action=VERSION_APPROVE,
            obj_type=self.target_type,
            obj_id=version.pk,
            before=before,
            after=payload | {"approval": request.pk, "reviewed_by": actor.get_username()},
            reason=request.reason,
            now=now,
        )


def _version(target_id: str) -> StrategyVersion:
    found = StrategyVersion.objects.select_related("strategy", "reviewed_by").filter(pk=target_id).first()
    if found is None:
        raise Refused("There is no such version", code="no_target")
    return found
