"""The same screen from the database alone, for when the session or Redis is silent."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Exists, OuterRef, Q, Subquery

from apps.marketdata.models import BookSnapshot, Market
from apps.marketdata.selectors import FeedRow, feed_get
from apps.trading.choices import SessionState
from apps.trading.models import Account, Decision, TradingSession
from apps.trading.selectors import (
    OrderRow,
    PositionRow,
    cash_state,
    fill_list,
    orders_open,
    position_list,
    session_latest,
)

from .guards import exchange_silent, gate_silent
from .live_state import counter_lines
from .state import CashTile, FeedTile, LiveState, MarketRow, PnlTile, Quote, SessionTile, TradingTile

MAX_MARKETS = 200
FILLS_SHOWN = 20


def from_database(*, account: Account | None, notice: str, now: datetime) -> LiveState:
    """Everything carries the time it was stored at, so that nothing old looks new."""
    if account is None:
        return _nothing(notice, now)
    session = session_latest(account=account)
    orders = orders_open(account=account)
    positions = position_list(account=account, include_flat=True)
    markets = _markets(session, orders, positions)
    return LiveState(
        source="stored",
        notice=notice,
        at=session.heartbeat_at if session else None,
        environment=account.environment,
        account=account.name,
        session=_session(session, now),
        trading=TradingTile("active", "", now),
        feed=_feed(feed_get(now=now)),
        cash=_cash(account),
        pnl=_pnl(positions, now),
        markets=markets,
        markets_total=len(markets),
        orders=orders,
        fills=fill_list(account=account, limit=FILLS_SHOWN).rows,
        gate=gate_silent(),
        exchange=exchange_silent(),
    )


def _nothing(notice: str, now: datetime) -> LiveState:
    return LiveState(
        source="stored",
        notice=notice,
        at=None,
        environment="",
        account="",
        session=SessionTile("off", "No account is set up", None),
        trading=TradingTile("active", "", now),
        feed=_feed(feed_get(now=now)),
        cash=CashTile(None, None, None, None, None, None, None),
        pnl=PnlTile(None, None, None, None, None, None),
        markets=(),
        markets_total=0,
        orders=(),
        fills=(),
        gate=gate_silent(),
        exchange=exchange_silent(),
    )


def _session(session: TradingSession | None, now: datetime) -> SessionTile:
    if session is None:
        return SessionTile("off", "No session has run on this account yet", None)
    state, reason = session.state, session.reason
    has_ended = state in (SessionState.STOPPED, SessionState.FAILED)
    if not has_ended and session.lease_expires_at < now - timedelta(seconds=1):
        state, reason = "down", f"Silent: the lease of the {session.state} session ran out"
    return SessionTile(
        state=state,
        reason=reason,
        at=session.ended_at or session.heartbeat_at,
        started_at=session.started_at,
        token=session.fencing_token,
        counters=counter_lines(session.counters),
    )


def _feed(row: FeedRow | None) -> FeedTile:
    if row is None:
        return FeedTile("off", "No feed has connected yet", None)
    feed = row.feed
    return FeedTile(
        state=feed.state,
        reason=feed.reason,
        last_frame_at=feed.last_frame_at,
        reconnects=feed.reconnects,
        sequence_gaps=feed.sequence_gaps,
        refused_frames=feed.refused_frames,
        bound_s=feed.stale_after_s,
    )


def _cash(account: Account) -> CashTile:
    cash = cash_state(account=account)
    return CashTile(cash.own, cash.own_at, cash.venue, cash.compared_at, cash.drift, cash.opening, None)


def _pnl(positions: tuple[PositionRow, ...], now: datetime) -> PnlTile:
    """Realized and fees are facts; what is open cannot be marked without a live book."""
    realized = sum((p.realized for p in positions), Decimal(0))
    fees = sum((p.fees for p in positions), Decimal(0))
    newest = max((p.updated_at for p in positions), default=now)
    is_flat = not any(p.quantity for p in positions)
    return PnlTile(realized, Decimal(0) if is_flat else None, fees, None, newest, None)


def _markets(
    session: TradingSession | None, orders: tuple[OrderRow, ...], positions: tuple[PositionRow, ...]
) -> tuple[MarketRow, ...]:
    """The markets this session decided on, and those with orders or positions of ours."""
    held = {p.ticker: p.quantity for p in positions if p.quantity}
    named = {o.ticker for o in orders} | set(held)
    found = Market.objects.filter(ticker__in=named)
    if session is not None:
        decided = Decision.objects.filter(session=session, market=OuterRef("pk"))
        found = Market.objects.filter(Q(ticker__in=named) | Exists(decided))
    newest_book = BookSnapshot.objects.filter(market=OuterRef("pk")).order_by("-received_at", "-id").values("pk")[:1]
    newest_decision = Decision.objects.filter(market=OuterRef("pk")).order_by("-at", "-id").values("pk")[:1]
    markets = list(found.annotate(book=Subquery(newest_book), decided=Subquery(newest_decision))[:MAX_MARKETS])
    books = BookSnapshot.objects.in_bulk([m.book for m in markets if m.book])
    decisions = Decision.objects.in_bulk([m.decided for m in markets if m.decided])
    return tuple(
        _market(m, books.get(m.book), decisions.get(m.decided), orders, held.get(m.ticker, Decimal(0))) for m in markets
    )


def _own(orders: tuple[OrderRow, ...], ticker: str, side: str) -> Quote | None:
    of_side = [o for o in orders if o.ticker == ticker and o.side == side]
    if not of_side:
        return None
    best = (max if side == "bid" else min)(of_side, key=lambda o: o.price)
    return Quote(best.price, sum((o.remaining for o in of_side if o.price == best.price), Decimal(0)))


def _market(
    market: Market,
    book: BookSnapshot | None,
    decision: Decision | None,
    orders: tuple[OrderRow, ...],
    position: Decimal,
) -> MarketRow:
    bid = book.best_bid if book else None
    ask = book.best_ask if book else None
    return MarketRow(
        ticker=market.ticker,
        title=market.title,
        status=market.status,
        best_bid=bid,
        best_ask=ask,
        bid_size=_top_size(book.bids) if book else None,
        ask_size=_top_size(book.asks) if book else None,
        spread=None if bid is None or ask is None else ask - bid,
        last_price=None,
        is_quotable=book is not None,
        unquotable_reason="" if book else "No book stored",
        book_at=book.received_at if book else None,
        position=position,
        own_bid=_own(orders, market.ticker, "bid"),
        own_ask=_own(orders, market.ticker, "ask"),
        reason=decision.reason if decision else "",
        bid_reason=decision.bid_reason if decision else "",
        ask_reason=decision.ask_reason if decision else "",
        decided_at=decision.at if decision else None,
        close_at=market.close_at,
    )


def _top_size(levels: list[list[str]]) -> Decimal | None:
    return Decimal(levels[0][1]) if levels else None
