"""Parameters of an armed strategy: proposed by one person, in force once another has approved them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from apps.core.exceptions import Refused
from apps.engine.strategies import registry
from apps.engine.strategies.params import BadParameter, params_from_mapping, params_hash, params_to_mapping
from apps.governance.models import ApprovalRequest
from apps.governance.services import approval_request
from apps.trading.choices import ParameterStatus
from apps.trading.models import ParameterSet, StrategyConfig

PARAMETERS_CHANGE = "trading.parameters.change"


class NoParameters(Refused):
    """No approved parameters are in force; nothing may be quoted."""

    code = "no_parameters"


class BadParameters(Refused):
    """A value is unknown, unreadable or out of bounds; `extra["field"]` names it."""

    code = "bad_parameters"


def parameters_in_force(config: StrategyConfig) -> ParameterSet:
    """The approved set with the highest number. Raises `NoParameters`."""
    found = config.parameter_sets.filter(status=ParameterStatus.APPROVED).order_by("-number").first()
    if found is None:
        raise NoParameters(f"{config} has no approved parameters")
    return found


def parameters_complete(
    *, kernel: str, values: Mapping[str, str], base: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Every parameter of the strategy in its canonical text, from `base` (the defaults if none) and `values`.

    Raises `BadParameters` for the first value that is unknown, unreadable or out of bounds.
    """
    params_type = registry.strategy(kernel).params_type
    try:
        return params_to_mapping(params_from_mapping(params_type(), dict(base or {}) | dict(values)))
    except BadParameter as error:
        raise BadParameters(str(error), extra={"field": error.name}) from error


def parameters_hash(*, kernel: str, values: Mapping[str, str]) -> str:
    """The engine's hash of these values."""
    return params_hash(params_from_mapping(registry.strategy(kernel).params_type(), values))


def parameters_propose(
    *, config: StrategyConfig, values: dict[str, str], reason: str, actor: User, now: datetime
) -> ApprovalRequest:
    """Asks for new values; those not named stay as they are. Nothing changes until another person approves.

    Raises `BadParameters`, `Refused` when nothing would change, and the errors of `approval_request`.
    """
    kernel = config.version.strategy.kernel
    in_force = parameters_in_force(config)
    complete = parameters_complete(kernel=kernel, values=values, base=in_force.values)
    return approval_request(
        action=PARAMETERS_CHANGE,
        target_type=StrategyConfig._meta.label,
        target_id=config.pk,
        payload={"values": complete, "params_hash": parameters_hash(kernel=kernel, values=complete)},
        reason=reason,
        actor=actor,
        now=now,
    )


def parameters_put_in_force(
    *,
    config: StrategyConfig,
    values: dict[str, str],
    approval: ApprovalRequest | None,
    created_by: User | None,
    now: datetime,
) -> ParameterSet:
    """Adds the next number and retires those before. For the approval handler and for seeding only."""
    kernel = config.version.strategy.kernel
    with transaction.atomic():
        list(StrategyConfig.objects.select_for_update().filter(pk=config.pk))
        newest = config.parameter_sets.order_by("-number").first()
        config.parameter_sets.filter(status=ParameterStatus.APPROVED).update(status=ParameterStatus.RETIRED)
        return ParameterSet.objects.create(
            config=config,
            number=newest.number + 1 if newest else 1,
            values=values,
            params_hash=parameters_hash(kernel=kernel, values=values),
            status=ParameterStatus.APPROVED,
            approval=approval,
            created_by=created_by,
            created_at=now,
        )
