"""How an approved change of parameters is carried out."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User

from apps.core.exceptions import Refused
from apps.engine.strategies import registry
from apps.engine.strategies.params import ParamInfo, Unit, describe, params_from_mapping
from apps.governance.choices import Direction
from apps.governance.choices import Permission as GovernancePermission
from apps.governance.handlers import ChangeRow
from apps.governance.models import ApprovalRequest
from apps.governance.services import audit_record

from .models import StrategyConfig
from .services.parameters import (
    PARAMETERS_CHANGE,
    parameters_complete,
    parameters_hash,
    parameters_in_force,
    parameters_put_in_force,
)

# +1 where a larger value (a later choice) lets us lose more, -1 where a smaller one does, 0 where neither does.
_RISK_SIGN = {
    "min_spread": -1,
    "order_quantity": 1,
    "max_position": 1,
    "quote_bid": 1,
    "quote_ask": 1,
    "refresh_tolerance_ticks": 0,
    "min_price": -1,
    "max_price": 1,
    "max_feed_age_ms": 1,
    "execution_mode": 1,
    "taker_share_bps": 1,
    "taker_time_in_force": 0,
    "max_slippage": 1,
    "min_edge": -1,
    "reference_ms": 0,
    "fade_ticks": -1,
    "fade_after_fill_ms": -1,
    "max_queue_ahead": 0,
}
_UNITS = {Unit.PRICE: "dollars", Unit.QUANTITY: "contracts", Unit.MILLISECONDS: "ms"}


class ParametersChangeHandler:
    target_type = StrategyConfig._meta.label
    propose_permission = GovernancePermission.PROPOSE_CHANGE.full

    def lock(self, target_id: str) -> None:
        if not list(StrategyConfig.objects.select_for_update().filter(pk=target_id)):
            raise Refused("There is no such strategy configuration", code="no_target")

    def current(self, target_id: str) -> dict[str, Any]:
        config = _config(target_id)
        in_force = parameters_in_force(config)
        return {
            "kernel": config.version.strategy.kernel,
            "code_hash": config.version.code_hash,
            "number": in_force.number,
            "values": in_force.values,
            "params_hash": in_force.params_hash,
        }

    def validate(self, target_id: str, payload: dict[str, Any]) -> None:
        if set(payload) != {"values", "params_hash"}:
            raise Refused("A change of parameters has values and their hash", code="bad_payload")
        config = _config(target_id)
        kernel = config.version.strategy.kernel
        if parameters_complete(kernel=kernel, values=payload["values"]) != payload["values"]:
            raise Refused("The proposed values are not complete", code="bad_payload")
        if parameters_hash(kernel=kernel, values=payload["values"]) != payload["params_hash"]:
            raise Refused("The proposed values do not match their hash", code="bad_payload")
        if parameters_in_force(config).params_hash == payload["params_hash"]:
            raise Refused("These parameters are in force already", code="no_change")

    def describe(self, target_id: str, payload: dict[str, Any], current: dict[str, Any]) -> list[ChangeRow]:
        params_type = registry.strategy(current["kernel"]).params_type
        old = {i.name: i for i in describe(params_from_mapping(params_type(), current["values"]))}
        new = describe(params_from_mapping(params_type(), payload["values"]))
        return [_row(old[info.name], info) for info in new]

    def apply(
        self, target_id: str, payload: dict[str, Any], actor: User, now: datetime, request: ApprovalRequest
    ) -> None:
        config = _config(target_id)
        before = parameters_in_force(config)
        created = parameters_put_in_force(
            config=config, values=payload["values"], approval=request, created_by=request.requester, now=now
        )
        audit_record(
            actor=actor,
            action=PARAMETERS_CHANGE,
            obj_type=self.target_type,
            obj_id=config.pk,
            before={"number": before.number, "values": before.values, "params_hash": before.params_hash},
            after={
                "number": created.number,
                "values": created.values,
                "params_hash": created.params_hash,
                "approval": request.pk,
                "requester": request.requester.get_username(),
            },
            reason=request.reason,
            now=now,
        )


def _config(target_id: str) -> StrategyConfig:
    return StrategyConfig.objects.select_related("version__strategy").get(pk=target_id)


def _row(old: ParamInfo, new: ParamInfo) -> ChangeRow:
    label = new.name.replace("_", " ").capitalize()
    return ChangeRow(label, _UNITS.get(new.unit, ""), old.value, new.value, _direction(old, new))


def _direction(old: ParamInfo, new: ParamInfo) -> Direction:
    if old.value == new.value:
        return Direction.UNCHANGED
    sign = _RISK_SIGN.get(new.name)
    if sign is None:
        return Direction.UNKNOWN
    if sign == 0:
        return Direction.NEUTRAL
    return Direction.RAISES if _size(new) * sign > _size(old) * sign else Direction.LOWERS


def _size(info: ParamInfo) -> Decimal:
    if info.choices is not None:
        return Decimal(info.choices.index(info.value))
    return Decimal(info.value == "true") if info.unit is Unit.FLAG else Decimal(info.value)
