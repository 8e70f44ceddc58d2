"""What the switches ask the database, beside trading and never in its way."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from apps.engine.decimals import money_from_decimal, price_from_decimal
from apps.engine.errors import BadNumber, EngineError
from apps.engine.strategies import registry
from apps.engine.switches.base import Thresholds
from apps.engine.types import ONE_DOLLAR, Money, Ticker
from apps.governance.models import AuditEvent
from apps.marketdata.models import BookSnapshot, Market
from apps.risk.choices import Scope, State
from apps.risk.models import NavDay, RestrictedMarket, Theme, TradingState
from apps.risk.services.switches import NavRecord, drills_due, nav_day_newest, thresholds_in_force
from apps.trading.choices import OrderStatus, ParameterStatus, SessionState
from apps.trading.models import Account, Order, Position, Settlement, StrategyConfig, TradingSession

from .switch_money import Mark

REMEMBER_ORDERS = 1_000
REMEMBER_SETTLEMENTS = 50
LATELY = timedelta(minutes=10)
SENT = [s for s in OrderStatus.values if s not in ("initialized", "denied")]

ScopeKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class StrategyPast:
    """Of one strategy, since its last fill and since people last resumed it."""

    unfilled: int = 0
    since_ms: int | None = None
    losses: int = 0


@dataclass(frozen=True, slots=True)
class Past:
    """What a session must know from before it started. `is_resumed`: people have resumed since the NAV was stored."""

    nav: NavRecord | None
    is_resumed: bool
    marks: Mapping[Ticker, Mark]
    strategies: Mapping[str, StrategyPast]


@dataclass(frozen=True, slots=True)
class Present:
    """What is in force now. `problem`: thresholds that cannot be used. `approved`: config to hash
    of its parameters."""

    at_ms: int
    thresholds: Mapping[str, Thresholds]
    problem: str
    drills_due: tuple[str, ...]
    approved: Mapping[int, str]
    disagreements: tuple[str, ...]
    restricted: frozenset[Ticker]


def read_past(*, account: Account) -> Past:
    """Read once, when a session starts."""
    nav = nav_day_newest(account=account.name)
    slugs = account.strategy_configs.values_list("version__strategy__slug", flat=True).distinct()
    return Past(
        nav,
        nav is not None and _is_resumed(account.name),
        _stored_marks(account),
        {slug: _strategy_past(account, slug) for slug in slugs},
    )


def read_present(*, account: Account, session_pk: int, tickers: Collection[Ticker], now: datetime) -> Present:
    """Read every two seconds."""
    problem, thresholds = "", {}
    try:
        thresholds = thresholds_in_force()
    except BadNumber as error:
        problem = str(error)
    approved, disagreements = _approved(account)
    return Present(
        at_ms=int(now.timestamp() * 1000),
        thresholds=thresholds,
        problem=problem,
        drills_due=tuple(drills_due(now=now)),
        approved=approved,
        disagreements=(*disagreements, *_releases(session_pk, now)),
        restricted=_restricted(tickers),
    )


def read_states(*, scopes: Collection[ScopeKey]) -> dict[ScopeKey, str]:
    """The stored state of some scopes; one without a row is active."""
    rows = TradingState.objects.filter(scope__in={scope for scope, _ in scopes})
    stored = {(row.scope, row.scope_id): row.state for row in rows}
    return {scope: stored.get(scope, State.ACTIVE.value) for scope in scopes}


def _is_resumed(account: str) -> bool:
    row = TradingState.objects.filter(scope=Scope.ACCOUNT, scope_id=account, state=State.ACTIVE).first()
    stored = NavDay.objects.filter(account=account).order_by("-day").values_list("updated_at", flat=True).first()
    return row is not None and stored is not None and row.changed_at > stored


def _stored_marks(account: Account) -> dict[Ticker, Mark]:
    """The newest stored book of every market with an open position."""
    marks: dict[Ticker, Mark] = {}
    for position in Position.objects.filter(account=account).exclude(quantity=0).select_related("market"):
        book = BookSnapshot.objects.filter(market=position.market_id).order_by("-received_at").first()
        if book is None or (book.best_bid is None and book.best_ask is None):
            continue
        bid = 0 if book.best_bid is None else price_from_decimal(book.best_bid)
        ask = ONE_DOLLAR if book.best_ask is None else price_from_decimal(book.best_ask)
        marks[position.market.ticker] = Mark(bid, ask, int(book.received_at.timestamp() * 1000))
    return marks


def _strategy_past(account: Account, slug: str) -> StrategyPast:
    orders = Order.objects.filter(account=account, config__version__strategy__slug=slug, status__in=SENT)
    orders = orders.exclude(status=OrderStatus.CANCELED, venue_order_id=None)
    last_filled = orders.filter(filled__gt=0).order_by("-id").values_list("id", flat=True).first() or 0
    resumed = (
        TradingState.objects.filter(scope=Scope.STRATEGY, scope_id=slug, state=State.ACTIVE)
        .values_list("changed_at", flat=True)
        .first()
    )
    since = orders.filter(id__gt=last_filled)
    if resumed is not None:
        since = since.filter(created_at__gt=resumed)
    unfilled = since[:REMEMBER_ORDERS].count()
    first = since.order_by("id").values_list("created_at", flat=True).first()
    since_ms = None if first is None else int(first.timestamp() * 1000)
    return StrategyPast(unfilled, since_ms, _losses(account, slug, resumed))


def _losses(account: Account, slug: str, resumed: datetime | None) -> int:
    """Settled losses in a row, the newest first, of markets in which this strategy sent the last order."""
    losses = 0
    settled = Settlement.objects.filter(account=account).order_by("-id")
    if resumed is not None:
        settled = settled.filter(settled_at__gt=resumed)
    for market_id in settled.values_list("market_id", flat=True)[:REMEMBER_SETTLEMENTS]:
        last = Order.objects.filter(account=account, market_id=market_id, status__in=SENT).order_by("-id")
        if last.values_list("config__version__strategy__slug", flat=True).first() != slug:
            continue
        result = _result(account, market_id)
        if result > 0:
            break
        losses += result < 0
    return losses


def _result(account: Account, market_id: int) -> Money:
    row = Position.objects.filter(account=account, market_id=market_id).first()
    return 0 if row is None else money_from_decimal(row.realized_pnl) - money_from_decimal(row.fees)


def _approved(account: Account) -> tuple[dict[int, str], list[str]]:
    """Hash of the parameters in force of every enabled config, and configs whose code this process does not run."""
    found: dict[int, str] = {}
    problems: list[str] = []
    configs = StrategyConfig.objects.filter(account=account, is_enabled=True).select_related("version__strategy")
    for config in configs:
        approved = config.parameter_sets.filter(status=ParameterStatus.APPROVED).order_by("-number")
        params_hash = approved.values_list("params_hash", flat=True).first()
        if params_hash is not None:
            found[config.pk] = params_hash
        running = _running_code(config.version.strategy.kernel)
        if running != config.version.code_hash:
            problems.append(f"{config} names code {config.version.code_hash[:12]}, this process runs {running:.12}")
    return found, problems


def _running_code(kernel: str) -> str:
    try:
        return registry.strategy(kernel).code_hash
    except EngineError:
        return "none of that name"


def _releases(session_pk: int, now: datetime) -> list[str]:
    """Processes of another release: other sessions, and whoever wrote to the audit trail lately, since we started."""
    live = (SessionState.RUNNING, SessionState.PAUSED, SessionState.RECONCILING)
    sessions = TradingSession.objects.filter(state__in=live, lease_expires_at__gt=now).exclude(pk=session_pk)
    started_at = TradingSession.objects.values_list("started_at", flat=True).get(pk=session_pk)
    written = AuditEvent.objects.filter(created_at__gt=max(started_at, now - LATELY), created_at__lte=now)
    found = {f"another session runs release {r}" for r in sessions.values_list("release", flat=True)
             if r != settings.RELEASE}  # fmt: skip
    found |= {f"a process that writes the audit trail runs release {r}"
              for r in written.order_by().values_list("release", flat=True).distinct()
              if r != settings.RELEASE}  # fmt: skip
    return sorted(found)


def _restricted(tickers: Collection[Ticker]) -> frozenset[Ticker]:
    """Of some markets those that the firm, or any person, may not trade."""
    listed: dict[str, set[str]] = {}
    for scope, scope_id in RestrictedMarket.objects.filter(lifted_at=None).values_list("scope", "scope_id"):
        listed.setdefault(scope, set()).add(scope_id)
    if not listed:
        return frozenset()
    for members in Theme.objects.filter(slug__in=listed.get(Scope.THEME, ())).values_list("members", flat=True):
        for name in (Scope.MARKET, Scope.EVENT, Scope.SERIES):
            listed.setdefault(name, set()).update(members)
    markets = Market.objects.filter(ticker__in=tickers).values_list(
        "ticker", "event__ticker", "event__series__ticker", "event__series__category"
    )
    names = (Scope.MARKET, Scope.EVENT, Scope.SERIES, Scope.CATEGORY)
    return frozenset(
        row[0] for row in markets if any(part in listed.get(name, ()) for name, part in zip(names, row, strict=True))
    )
