"""What the session is told to run: armed configs, their parameters and their markets, read afresh each second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.engine.fees import FeeRule
from apps.engine.grid import PriceGrid
from apps.engine.limits import RiskLimits
from apps.engine.strategies import registry
from apps.engine.strategies.base import Decision, MarketView
from apps.marketdata import selectors as marketdata
from apps.risk import selectors as risk
from apps.trading.choices import ParameterStatus
from apps.trading.exceptions import CodeMismatch
from apps.trading.models import Account, ParameterSet, StrategyConfig


@dataclass(frozen=True, slots=True)
class Armed:
    """One config with the parameters in force and the kernel that decides."""

    config_id: int
    parameters_id: int
    slug: str
    number: int
    params_hash: str
    params: Any
    decide: Callable[[MarketView, Any], Decision]


@dataclass(frozen=True, slots=True)
class ArmedMarket:
    """A market in the scope of an armed config, in engine terms. `problem` says why it may not be quoted."""

    pk: int
    ticker: str
    title: str
    status: str
    close_at_ms: int
    grid: PriceGrid | None
    fee_rule: FeeRule | None
    limits: RiskLimits | None
    problem: str | None
    armed: Armed


def load_armed(*, account: Account, now: datetime) -> dict[str, ArmedMarket]:
    """Markets by ticker. Where two configs cover one market the older config has it.

    Raises `CodeMismatch` when a config names decision code that this process does not run.
    """
    found: dict[str, ArmedMarket] = {}
    configs = account.strategy_configs.filter(is_enabled=True).select_related("version__strategy").order_by("id")
    for config in configs:
        armed = _armed(config)
        if armed is None:
            continue
        for market in marketdata.markets_in_scope(config.markets, now=now)[: config.max_markets]:
            if market.ticker not in found:
                found[market.ticker] = _market(account, market, armed, now)
    return found


def _armed(config: StrategyConfig) -> Armed | None:
    entry = registry.get(config.version.strategy.kernel)
    if entry.code_hash != config.version.code_hash:
        raise CodeMismatch(
            f"{config} names code {config.version.code_hash[:12]}, this process runs {entry.code_hash[:12]}"
        )
    row = ParameterSet.objects.filter(config=config, status=ParameterStatus.APPROVED).order_by("-number").first()
    if row is None:
        return None
    params = entry.params_from_mapping(row.values)
    if entry.params_hash(params) != row.params_hash:
        raise CodeMismatch(f"parameter set {row} does not hash to what was approved")
    return Armed(config.pk, row.pk, config.version.strategy.slug, row.number, row.params_hash, params, entry.decide)


def _market(account: Account, market: Any, armed: Armed, now: datetime) -> ArmedMarket:
    grid, grid_problem = marketdata.grid_or_problem(market)
    fee_rule, fee_problem = marketdata.fee_rule_or_problem(market, at=now)
    limits, limit_problem = risk.limits_or_problem(
        account=account.name, strategy_slug=armed.slug, series=market.event.series.ticker, market=market.ticker
    )
    return ArmedMarket(
        pk=market.pk,
        ticker=market.ticker,
        title=market.title,
        status=market.status,
        close_at_ms=int(market.close_at.timestamp() * 1000),
        grid=grid,
        fee_rule=fee_rule,
        limits=limits,
        problem=grid_problem or fee_problem or limit_problem,
        armed=armed,
    )
