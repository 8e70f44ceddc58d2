"""The ladder of one market, from the live book topic or from the newest stored sample."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from apps.core import live
from apps.marketdata.exceptions import MarketUnknown
from apps.marketdata.selectors import book_latest, market_get
from apps.trading.selectors import OrderRow

from .live_state import UnreadableState, instant, needed
from .state import LIVE_BOUND_S, STORED_BOOK_BOUND_S, Ladder, LadderRow

DEPTH = 12
SHARES = 20
Levels = list[tuple[Decimal, Decimal, Decimal]]


def ladder_build(
    *, ticker: str, title: str, orders: Iterable[OrderRow], published_at: datetime | None
) -> Ladder | None:
    """None when the market is not in the catalogue and nobody publishes it.

    `published_at` is when the session last spoke; the live book counts only then, and is as fresh as that, however
    long ago the book itself changed. None takes the stored sample.
    """
    payload = live.read(f"book.{ticker}") if published_at else None
    if payload is None:
        return _from_sample(ticker, title, orders)
    try:
        return _from_live(ticker, title, payload, published_at)
    except UnreadableState as unreadable:
        return _ladder(ticker, title, [], [], problem=f"The live book could not be read: {unreadable}")


def published_at() -> datetime | None:
    """When the session last published, None when it is silent or not to be understood."""
    try:
        return instant((live.read("mission") or {}).get("at"))
    except (TypeError, ValueError):
        return None


def _from_live(ticker: str, title: str, payload: dict, seen_at: datetime | None) -> Ladder:
    try:
        bids, asks = _levels(payload["bids"]), _levels(payload["asks"])
        at = instant(payload["at"])
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise UnreadableState(f"{type(error).__name__}: {error}") from error
    problem = "" if bids or asks else "The session shows no book: it is empty or cannot be trusted"
    return _ladder(ticker, title, bids, asks, at=at, seen_at=seen_at, problem=problem)


def _levels(rows: list[list[str]]) -> Levels:
    return [(needed(price), needed(size), needed(own)) for price, size, own in rows]


def _from_sample(ticker: str, title: str, orders: Iterable[OrderRow]) -> Ladder | None:
    try:
        market = market_get(ticker=ticker)
    except MarketUnknown:
        return None
    title = title or market.title
    sample = book_latest(market=market)
    if sample is None:
        return _ladder(ticker, title, [], [], problem="No book of this market has been stored yet")
    own: dict[tuple[str, Decimal], Decimal] = defaultdict(Decimal)
    for order in orders:
        if order.ticker == ticker:
            own[order.side, order.price] += order.remaining
    bids = [(Decimal(p), Decimal(s), own["bid", Decimal(p)]) for p, s in sample.bids]
    asks = [(Decimal(p), Decimal(s), own["ask", Decimal(p)]) for p, s in sample.asks]
    at = sample.received_at
    return _ladder(
        ticker, title, bids, asks, at=at, seen_at=at, bound_s=STORED_BOOK_BOUND_S, problem="Stored sample, not live"
    )


def _ladder(
    ticker: str,
    title: str,
    bids: Levels,
    asks: Levels,
    *,
    at: datetime | None = None,
    seen_at: datetime | None = None,
    problem: str,
    bound_s: int = LIVE_BOUND_S,
) -> Ladder:
    bids, asks = bids[:DEPTH], asks[:DEPTH]
    largest = max((size for _, size, _ in (*bids, *asks)), default=Decimal(0))
    return Ladder(
        ticker=ticker,
        title=title,
        at=at,
        seen_at=seen_at,
        asks=tuple(reversed(_rows(asks, "ask", largest))),
        bids=_rows(bids, "bid", largest),
        spread=asks[0][0] - bids[0][0] if bids and asks else None,
        problem=problem,
        bound_s=bound_s,
    )


def _rows(levels: Levels, side: str, largest: Decimal) -> tuple[LadderRow, ...]:
    return tuple(
        LadderRow(price, side, size, own, _share(size, largest), index == 0)
        for index, (price, size, own) in enumerate(levels)
    )


def _share(size: Decimal, largest: Decimal) -> int:
    if size <= 0 or largest <= 0:
        return 0
    return max(1, int(size * SHARES / largest))
