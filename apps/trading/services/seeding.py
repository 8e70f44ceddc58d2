"""The first account and strategy of an installation, so that it can trade on the simulator at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from apps.core.exceptions import Refused
from apps.engine.strategies import registry
from apps.governance.services import audit_record
from apps.risk.choices import LimitRule, Scope
from apps.risk.models import RiskLimit, Theme
from apps.risk.scopes import EACH
from apps.risk.services import theme_set
from apps.trading.choices import Environment, ParameterStatus
from apps.trading.models import Account, ParameterSet, StrategyConfig, StrategyVersion

from .parameter_sets import document_checked, document_hash, document_of
from .parameters import BadParameters, parameters_complete, parameters_put_in_force
from .versions import versions_register

SEEDER = "system:seed"
ACCOUNT = "main"
KERNEL = "maker_inside"
PARAMETERS = {
    "min_spread": "0.0200",
    "order_quantity": "5.00",
    "max_position": "25.00",
    "min_price": "0.0200",
    "max_price": "0.9800",
}
LIMITS = {
    LimitRule.MAX_ORDER_DOLLARS: Decimal(500),
    LimitRule.MAX_CONTRACTS_PER_MARKET: Decimal(30),
    LimitRule.MIN_PRICE: Decimal("0.02"),
    LimitRule.MAX_PRICE: Decimal("0.98"),
    LimitRule.MAX_TOTAL_EXPOSURE: Decimal(2000),
    LimitRule.MAX_NAV_SHARE: Decimal("0.25"),
    LimitRule.MAX_DEPTH_SHARE: Decimal("0.50"),
    LimitRule.MAX_ORDERS_PER_MINUTE: Decimal(600),
}
# With real money the first markets are small until people have agreed to more.
FIRST_CONTRACTS = Decimal(5)
NAV_SHARES = ((Scope.THEME, Decimal("0.15")), (Scope.CATEGORY, Decimal("0.20")))
THEME = "crypto"
THEME_MEMBERS = ("KXBTC", "KXBTC15M", "KXBTCD", "KXETH", "KXETH15M", "KXETHD")


@dataclass(frozen=True, slots=True)
class Seeded:
    account: Account
    config: StrategyConfig
    parameters: ParameterSet


def trading_seed(
    *, environment: str, markets: Sequence[str] | None, default_markets: Sequence[str], now: datetime
) -> Seeded:
    """Creates what is missing and leaves what people have changed; every creation is audited as `seed`.

    On the simulated environment the strategy is enabled, and moves to new decision code when the code has changed;
    elsewhere it stays off and on the code it was reviewed with. `markets` None keeps the scope that is stored, or
    starts with `default_markets`.
    Raises `Refused` when the account exists for another environment.
    """
    with transaction.atomic():
        account = _account(Environment(environment), now)
        config = _config(account, markets, default_markets, now)
        parameters = _parameters(config, now)
        _limits(account, now)
    return Seeded(account, config, parameters)


def _account(environment: Environment, now: datetime) -> Account:
    account, created = Account.objects.get_or_create(
        name=ACCOUNT, defaults={"environment": environment, "created_at": now}
    )
    if account.environment != environment:
        raise Refused(
            f"Account {ACCOUNT} belongs to the {account.environment} environment, not {environment}",
            code="other_environment",
        )
    if created:
        _audit("trading.account.seed", account, {"name": ACCOUNT, "environment": environment}, now)
    return account


def _config(
    account: Account, markets: Sequence[str] | None, default_markets: Sequence[str], now: datetime
) -> StrategyConfig:
    version = _version(now)
    simulated = account.environment == Environment.SIMULATED
    config = StrategyConfig.objects.filter(account=account, version__strategy=version.strategy).first()
    if config is None:
        scope = list(markets or default_markets)
        config = StrategyConfig.objects.create(
            account=account, version=version, markets=scope, is_enabled=simulated, updated_at=now
        )
        after = {"code_hash": version.code_hash, "markets": scope, "is_enabled": simulated}
        _audit("trading.strategy_config.seed", config, after, now)
        return config
    if not simulated:
        return config
    changes: dict[str, Any] = {}
    if config.version_id != version.pk:
        changes["version"] = version
    if markets is not None and list(markets) != config.markets:
        changes["markets"] = list(markets)
    if changes:
        before = {"code_hash": config.version.code_hash, "markets": config.markets}
        for name, value in changes.items():
            setattr(config, name, value)
        config.updated_at = now
        config.save(update_fields=[*changes, "updated_at"])
        after = {"code_hash": config.version.code_hash, "markets": config.markets}
        _audit("trading.strategy_config.seed", config, after, now, before=before)
    return config


def _version(now: datetime) -> StrategyVersion:
    versions_register(now=now, label=SEEDER)
    kernel = registry.strategy(KERNEL)
    return StrategyVersion.objects.select_related("strategy").get(strategy__kernel=KERNEL, code_hash=kernel.code_hash)


def _parameters(config: StrategyConfig, now: datetime) -> ParameterSet:
    in_force = config.parameter_sets.filter(status=ParameterStatus.APPROVED).order_by("-number").first()
    if in_force is not None and (config.account.environment != Environment.SIMULATED or _still_valid(in_force)):
        return in_force
    values = parameters_complete(kernel=KERNEL, values=PARAMETERS)
    created = parameters_put_in_force(config=config, values=values, approval=None, created_by=None, now=now)
    _audit("trading.parameters.seed", created, {"number": created.number, "values": values}, now)
    return created


def _still_valid(in_force: ParameterSet) -> bool:
    """False when new code reads the stored values differently, or not at all."""
    try:
        document = document_checked(KERNEL, document_of(in_force))
    except BadParameters:
        return False
    return document_hash(KERNEL, document) == in_force.params_hash


def _limits(account: Account, now: datetime) -> None:
    for rule, value in LIMITS.items():
        first = rule is LimitRule.MAX_CONTRACTS_PER_MARKET and account.environment != Environment.SIMULATED
        _limit(Scope.ACCOUNT, account.name, rule, FIRST_CONTRACTS if first else value, now)
    for scope, share in NAV_SHARES:
        _limit(scope, EACH, LimitRule.MAX_NAV_SHARE, share, now)
    if not Theme.objects.filter(slug=THEME).exists():
        theme_set(
            slug=THEME,
            name="Crypto prices",
            description="Coins rise and fall together, whatever the question about them is.",
            members=THEME_MEMBERS,
            reason="seed",
            actor=None,
            actor_label=SEEDER,
            now=now,
        )


def _limit(scope: Scope, scope_id: str, rule: LimitRule, value: Decimal, now: datetime) -> None:
    limit, created = RiskLimit.objects.get_or_create(
        scope=scope, scope_id=scope_id, rule=rule, defaults={"value": value, "updated_at": now}
    )
    if created:
        after = {"scope": scope, "scope_id": scope_id, "rule": rule, "value": value}
        _audit("risk.limit.seed", limit, after, now)


def _audit(
    action: str, obj: Any, after: dict[str, Any], now: datetime, *, before: dict[str, Any] | None = None
) -> None:
    audit_record(
        actor=None,
        actor_label=SEEDER,
        action=action,
        obj_type=obj._meta.label,
        obj_id=obj.pk,
        before=before,
        after=after,
        reason="seed",
        now=now,
    )
