"""A strategy on an account: its markets, whether it is on, for which rung, and the fallback that is ready.

Raising any of it is asked for here and made by `trading.handlers` once others have signed. Switching off, and
switching to a fallback that is signed already, takes one person and acts at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from apps.core.exceptions import Refused
from apps.core.permissions import require
from apps.governance.choices import Permission as GovernancePermission
from apps.governance.choices import ReviewKind
from apps.governance.evidence import EvidenceLink
from apps.governance.models import ApprovalRequest
from apps.governance.services import approval_request, audit_record, checked_reason
from apps.governance.services.reviews import review_open
from apps.risk.choices import Permission as RiskPermission
from apps.trading.choices import ParameterStatus, Rung
from apps.trading.models import ParameterSet, StrategyConfig, StrategyVersion

from .ladder import LADDER_WAIVE, WAIVABLE, require_ladder, rungs_of
from .parameter_sets import document_changed, document_of
from .parameters import parameters_in_force, parameters_payload, parameters_put_in_force
from .versions import require_code_here

SCOPE_CHANGE = "trading.scope.change"
CONFIG_ENABLE = "trading.config.enable"
FALLBACK_SWITCH = "trading.fallback.switch"
OFF_REASON = "Switched off from the console"
_CONFIG = StrategyConfig._meta.label


class NoFallback(Refused):
    """There is no fallback that was signed, or it was signed for other code."""

    code = "no_fallback"


def config_scope_propose(
    *, config: StrategyConfig, markets: Sequence[str], max_markets: int, reason: str, actor: User, now: datetime
) -> ApprovalRequest:
    """Asks for other markets. Narrowing acts at once; see `governance.handlers`. Errors of `approval_request`."""
    return approval_request(
        action=SCOPE_CHANGE,
        target_type=_CONFIG,
        target_id=config.pk,
        payload={"markets": list(dict.fromkeys(markets)), "max_markets": max_markets},
        reason=reason,
        actor=actor,
        now=now,
    )


def config_enable_propose(
    *,
    config: StrategyConfig,
    reason: str,
    actor: User,
    now: datetime,
    rung: str = "",
    version: StrategyVersion | None = None,
) -> ApprovalRequest:
    """Asks to arm the config, by default on its own version for the lowest rung of its environment.

    Raises `LadderOpen` with the list of what is missing, `CodeNotHere`, and the errors of `approval_request`.
    """
    wanted = rung_for(config, rung)
    armed = version or config.version
    require_code_here(armed)
    require_ladder(config, now=now, rung=wanted, version=armed)
    return approval_request(
        action=CONFIG_ENABLE,
        target_type=_CONFIG,
        target_id=config.pk,
        payload={
            "is_enabled": True,
            "rung": wanted.value,
            "version": armed.pk,
            "code_hash": armed.code_hash,
            "params_hash": parameters_in_force(config).params_hash,
            "markets": config.markets,
        },
        reason=reason,
        actor=actor,
        now=now,
    )


def rung_for(config: StrategyConfig, rung: str) -> Rung:
    """The rung by name, empty for the environment's lowest. Raises `Refused` for one of another environment."""
    possible = rungs_of(config.account.environment)
    if not rung:
        return possible[0]
    if rung not in possible:
        raise Refused(
            f"{config.account} is {config.account.environment}; it cannot be armed for {rung}", code="bad_rung"
        )
    return Rung(rung)


def config_arm(
    *, config: StrategyConfig, version: StrategyVersion, rung: Rung, approval: ApprovalRequest, now: datetime
) -> None:
    """For the approval handler only. The gates are computed once more: what held when it was asked for may not now."""
    require_code_here(version)
    require_ladder(config, now=now, rung=rung, version=version)
    config.is_enabled, config.version, config.rung, config.approval = True, version, rung.value, approval
    config.updated_at = now
    config.save(update_fields=["is_enabled", "version", "rung", "approval", "updated_at"])


def config_disable(*, config: StrategyConfig, reason: str, actor: User, now: datetime) -> None:
    """Off at once, by anybody who may stop trading: the session takes its orders off. Opens a review.

    Raises `NotPermitted`.
    """
    require(actor, RiskPermission.TRIP_KILL_SWITCH.full)
    with transaction.atomic():
        row = StrategyConfig.objects.select_for_update().get(pk=config.pk)
        if not row.is_enabled:
            return
        row.is_enabled, row.updated_at = False, now
        row.save(update_fields=["is_enabled", "updated_at"])
        audit_record(
            actor=actor,
            action="trading.config.disable",
            obj_type=_CONFIG,
            obj_id=row.pk,
            before={"is_enabled": True, "rung": row.rung},
            after={"is_enabled": False},
            reason=reason.strip() or OFF_REASON,
            now=now,
        )
        review_open(
            kind=ReviewKind.STOPPED,
            what=f"{row} switched off: {reason.strip() or OFF_REASON}",
            obj_type=_CONFIG,
            obj_id=row.pk,
            actor=actor,
            now=now,
        )
    config.refresh_from_db()


def fallback_propose(
    *,
    config: StrategyConfig,
    values: Mapping[str, str],
    reason: str,
    actor: User,
    now: datetime,
    category: str = "",
    evidence: Sequence[EvidenceLink] = (),
) -> ApprovalRequest:
    """Asks for a second set of parameters to be signed beforehand, so that one person can switch to it at once."""
    kernel = config.version.strategy.kernel
    document = document_changed(kernel, document_of(parameters_in_force(config)), values, category=category)
    return approval_request(
        action=FALLBACK_SWITCH,
        target_type=_CONFIG,
        target_id=config.pk,
        payload=parameters_payload(kernel, document) | {"code_hash": config.version.code_hash},
        reason=reason,
        actor=actor,
        now=now,
        evidence=evidence,
    )


def fallback_of(config: StrategyConfig) -> ParameterSet | None:
    """The set that was signed as fallback, None where there is none."""
    return config.parameter_sets.filter(status=ParameterStatus.FALLBACK).select_related("approval").first()


def fallback_switch(*, config: StrategyConfig, reason: str, actor: User, now: datetime) -> ParameterSet:
    """Puts the signed fallback in force at once: others have signed it, so one person is enough. Opens a review.

    Raises `NotPermitted`, `NoFallback`, `ReasonTooShort`.
    """
    require(actor, GovernancePermission.PROPOSE_CHANGE.full)
    reason = checked_reason(reason)
    with transaction.atomic():
        list(StrategyConfig.objects.select_for_update().filter(pk=config.pk))
        fallback = fallback_of(config)
        if fallback is None or fallback.approval is None:
            raise NoFallback(f"{config} has no fallback that was signed")
        if fallback.approval.payload.get("code_hash") != config.version.code_hash:
            raise NoFallback("The fallback was signed for other code; have it signed again")
        before = parameters_in_force(config)
        fallback.status = ParameterStatus.RETIRED
        fallback.save(update_fields=["status"])
        document = document_of(fallback)
        created = parameters_put_in_force(
            config=config,
            values=document.values,
            overrides=document.overrides,
            stored=document.stored,
            approval=fallback.approval,
            created_by=actor,
            now=now,
        )
        audit_record(
            actor=actor,
            action=FALLBACK_SWITCH,
            obj_type=_CONFIG,
            obj_id=config.pk,
            before={"number": before.number, "params_hash": before.params_hash},
            after={
                "number": created.number,
                "params_hash": created.params_hash,
                "fallback": fallback.number,
                "approval": fallback.approval_id,
            },
            reason=reason,
            now=now,
        )
        review_open(
            kind=ReviewKind.FALLBACK,
            what=f"{config} switched to its fallback: {reason}",
            obj_type=_CONFIG,
            obj_id=config.pk,
            actor=actor,
            now=now,
        )
    return created


def waiver_propose(*, config: StrategyConfig, gate: str, reason: str, actor: User, now: datetime) -> ApprovalRequest:
    """Asks that a gate may stand open for 30 days for the config's version. Raises `Refused` for any other gate."""
    if gate not in WAIVABLE:
        raise Refused("This gate cannot be waived", code="not_waivable")
    return approval_request(
        action=LADDER_WAIVE,
        target_type=_CONFIG,
        target_id=config.pk,
        payload={"gate": gate, "version": config.version_id, "code_hash": config.version.code_hash},
        reason=reason,
        actor=actor,
        now=now,
    )
