"""What the session is told to run: armed configs, their parameters and their markets, read afresh each second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Q

from apps.engine.errors import BadNumber, UnknownFeeType
from apps.engine.exposure import NodeKey
from apps.engine.fees import FeeRule
from apps.engine.grid import PriceGrid
from apps.engine.limits import RiskLimits, TradingState
from apps.engine.strategies import registry
from apps.engine.strategies.base import Decision, MarketView
from apps.marketdata.exceptions import GridInvalid
from apps.marketdata.mapping import fee_rule, market_grid
from apps.marketdata.models import Event, Market, Series
from apps.risk.exceptions import LimitMissing
from apps.risk.models import RestrictedMarket, RiskLimit, Theme
from apps.risk.models import TradingState as RiskState
from apps.risk.scopes import MarketKeys
from apps.risk.selectors import RiskRows
from apps.trading.choices import Environment, ParameterStatus
from apps.trading.exceptions import CodeMismatch
from apps.trading.models import Account, ParameterSet, StrategyConfig
from apps.trading.services.parameter_sets import document_hash, document_of, document_params


def _newest(table: str, *columns: str, where: str = "") -> str:
    return ", ".join(f"(SELECT {column} FROM {table} {where})" for column in columns)  # noqa: S608


# One plain statement: a second thread asks it beside trading, and the interpreter is shared.
_OPEN = "WHERE status = 'active' AND open_at <= %s AND close_at > %s"
_FINGERPRINT = "SELECT " + ", ".join(
    (
        _newest(ParameterSet._meta.db_table, "COUNT(*)", "MAX(id)"),
        _newest(StrategyConfig._meta.db_table, "MAX(updated_at)", where="WHERE account_id = %s"),
        _newest(RiskLimit._meta.db_table, "COUNT(*)", "MAX(updated_at)", "SUM(version)"),
        _newest(RiskState._meta.db_table, "COUNT(*)", "MAX(changed_at)"),
        _newest(Theme._meta.db_table, "COUNT(*)", "MAX(updated_at)"),
        _newest(RestrictedMarket._meta.db_table, "COUNT(*)", "COUNT(lifted_at)"),
        _newest(Market._meta.db_table, "COUNT(*)", where=_OPEN),
        _newest(Market._meta.db_table, "MAX(updated_at)"),
        _newest(Event._meta.db_table, "MAX(updated_at)"),
        _newest(Series._meta.db_table, "MAX(updated_at)"),
    )
)


@dataclass(frozen=True, slots=True)
class Armed:
    """One config with the parameters in force and the kernel that decides.

    `params` are those of one category of markets, `params_hash` is the whole set's.
    """

    config_id: int
    version_id: int
    parameters_id: int
    slug: str
    number: int
    params_hash: str
    params: Any
    decide: Callable[[MarketView, Any], Decision]


@dataclass(frozen=True, slots=True)
class ArmedMarket:
    """A market in the scope of an armed config, in engine terms. `problem` says why it may not be quoted.

    `shard` is where the exchange keeps it; order groups belong to one shard. `path` is its place in the tree of limits,
    `restrictions` the reasons why it may not be traded at all.
    """

    pk: int
    ticker: str
    title: str
    status: str
    shard: int
    close_at_ms: int
    grid: PriceGrid | None
    fee_rule: FeeRule | None
    path: tuple[NodeKey, ...]
    limits: RiskLimits | None
    restrictions: tuple[str, ...]
    state: TradingState
    problem: str | None
    armed: Armed


def armed_fingerprint(*, account: Account, now: datetime) -> tuple[object, ...]:
    """Changes whenever `load_armed` could give another answer; far cheaper, so it is asked each second."""
    moment = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        cursor.execute(_FINGERPRINT, [account.pk, moment, moment])
        return tuple(cursor.fetchone())


def load_armed(*, account: Account, now: datetime) -> dict[str, ArmedMarket]:
    """Markets by ticker. Where two configs cover one market the older config has it.

    Raises `CodeMismatch` when a config names decision code that this process does not run, or, outside the simulator,
    code that nobody has reviewed.
    """
    found: dict[str, ArmedMarket] = {}
    risk = RiskRows.load()
    configs = account.strategy_configs.filter(is_enabled=True).select_related("version__strategy").order_by("id")
    for config in configs:
        armed, differing = _armed(config, account)
        if armed is None:
            continue
        for market in _markets(config.markets, config.max_markets, now):
            if market.ticker not in found:
                own = differing.get(market.event.series.category, armed)
                found[market.ticker] = _market(account, market, own, risk, now)
    return found


def held_paths(*, account: Account) -> dict[str, tuple[NodeKey, ...]]:
    """Place in the tree of limits of every market the account holds a position in, armed or not."""
    risk = RiskRows.load()
    held = Market.objects.filter(positions__account=account).exclude(positions__quantity=0)
    return {
        market.ticker: _path(account, market, None, risk) for market in held.select_related("event__series").distinct()
    }


def _path(account: Account, market: Market, strategy_slug: str | None, risk: RiskRows) -> tuple[NodeKey, ...]:
    event, series = market.event, market.event.series
    return MarketKeys(
        account=account.name,
        environment=account.environment,
        strategy_slug=strategy_slug,
        category=series.category,
        themes=risk.themes_of(series.ticker, event.ticker, market.ticker),
        series=series.ticker,
        event=event.ticker,
        market=market.ticker,
    ).path


def _markets(scope: Sequence[str], most: int, now: datetime) -> list[Market]:
    """Open markets of the named series, events or markets; the soonest to close first."""
    named = Q(ticker__in=scope) | Q(event__ticker__in=scope) | Q(event__series__ticker__in=scope)
    found = Market.objects.select_related("event__series").filter(named, open_at__lte=now, close_at__gt=now)
    return list(found.filter(status="active").order_by("close_at", "ticker")[:most])


def _armed(config: StrategyConfig, account: Account) -> tuple[Armed | None, dict[str, Armed]]:
    """The config with its base parameters, and by category where the approved set overrides them."""
    entry, version = registry.strategy(config.version.strategy.kernel), config.version
    if entry.code_hash != version.code_hash:
        raise CodeMismatch(f"{config} names code {version.code_hash[:12]}, this process runs {entry.code_hash[:12]}")
    if account.environment != Environment.SIMULATED and not (version.is_reviewed and config.approval_id):
        raise CodeMismatch(f"{config} was not armed by an approval, or its code has no reviewer")
    row = ParameterSet.objects.filter(config=config, status=ParameterStatus.APPROVED).order_by("-number").first()
    if row is None:
        return None, {}
    document = document_of(row)
    if document_hash(entry.slug, document) != row.params_hash:
        raise CodeMismatch(f"parameter set {row} does not hash to what was approved")
    params = document_params(entry.slug, document)
    base = Armed(
        config.pk, version.pk, row.pk, version.strategy.slug, row.number, row.params_hash, params, entry.decide
    )
    return base, {c: replace(base, params=document_params(entry.slug, document, c)) for c in document.overrides}


def _market(account: Account, market: Market, armed: Armed, risk: RiskRows, now: datetime) -> ArmedMarket:
    grid: PriceGrid | None = None
    rule: FeeRule | None = None
    limits: RiskLimits | None = None
    problems: list[str] = []
    path = _path(account, market, armed.slug, risk)
    try:
        grid = market_grid(market)
    except GridInvalid as error:
        problems.append(error.message)
    try:
        rule = fee_rule(market, now)
    except (UnknownFeeType, BadNumber) as error:
        problems.append(str(error))
    try:
        limits = risk.limits_on(path)
    except (LimitMissing, BadNumber) as error:
        problems.append(str(error))
    return ArmedMarket(
        pk=market.pk,
        ticker=market.ticker,
        title=market.title,
        status=market.status,
        shard=market.exchange_index or 0,
        close_at_ms=int(market.close_at.timestamp() * 1000),
        grid=grid,
        fee_rule=rule,
        path=path,
        limits=limits,
        restrictions=risk.restrictions_on(path),
        state=risk.state_on(path),
        problem="; ".join(problems) or None,
        armed=armed,
    )
