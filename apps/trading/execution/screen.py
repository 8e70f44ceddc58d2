"""What the session shows on screens, as plain JSON; see `core.live`. Never the path of a fact."""

from __future__ import annotations

from typing import Any

from apps.engine.decimals import format_money, format_price, format_quantity
from apps.engine.types import Fill, Level, Price, Quantity, Side
from apps.trading.mapping import from_ms

from .blotter import WorkingOrder
from .context import MarketDesk, SessionContext

DEPTH = 12
MOST_MARKETS = 50


def mission(context: SessionContext) -> dict[str, Any]:
    """The whole mission-control state; markets with orders or a position first, at most fifty."""
    held = {ticker for ticker, position in context.portfolio.positions.items() if position.quantity}
    desks = sorted(
        context.desks.values(), key=lambda d: (not d.working and d.ticker not in held, d.armed.close_at_ms, d.ticker)
    )
    return {
        "at": context.now().isoformat(),
        "account": context.account.name,
        "environment": context.account.environment,
        "release": context.session.release,
        "session": _session(context),
        "trading_state": {"state": str(context.gate.state), "reason": context.gate.state_reason},
        "gate": _gate(context),
        "guardian": {"age_ms": context.guardian_age_ms},
        "exchange": _exchange(context),
        "feed": _feed(context),
        "cash": _cash(context),
        "pnl": _pnl(context),
        "markets": [_market(context, desk) for desk in desks[:MOST_MARKETS]],
        "orders": [_order(order) for order in context.blotter.open_orders()[:200]],
        "fills": [_fill(fill) for fill in context.recent_fills],
    }


def ladder(context: SessionContext, desk: MarketDesk) -> dict[str, Any]:
    """Best levels of one market with our own part of each."""
    book = context.books.book(desk.ticker)
    own = desk.own_shown()
    rows: dict[str, list[list[str]]] = {"bids": [], "asks": []}
    if book is not None and book.is_quotable:
        for name, side in (("bids", Side.BID), ("asks", Side.ASK)):
            rows[name] = [
                [format_price(p), format_quantity(q), format_quantity(own.get((side, p), 0))]
                for p, q in book.levels(side, DEPTH)
            ]
    return {"at": _iso(desk.book_at_ms), "ticker": desk.ticker, **rows}


def _session(context: SessionContext) -> dict[str, Any]:
    return {
        "id": context.session.pk,
        "state": str(context.state),
        "reason": context.reason,
        "fencing_token": context.session.fencing_token,
        "started_at": context.session.started_at.isoformat(),
        "counters": context.counters.as_json(),
    }


def _gate(context: SessionContext) -> dict[str, Any]:
    """Whether anything may be sent now, and each reason why not."""
    gate = context.gate
    return {
        "closed_because": gate.closed_because(),
        "blocks": [{"key": key, "reason": reason} for key, reason in gate.blocks.items()],
    }


def _exchange(context: SessionContext) -> dict[str, Any] | None:
    """What the exchange said of itself when it was last asked; None while it has not answered yet."""
    status = context.exchange
    if status is None:
        return None
    return {
        "is_exchange_active": status.is_exchange_active,
        "is_trading_active": status.is_trading_active,
        "resumes_at": _iso(status.resumes_at_ms),
    }


def _feed(context: SessionContext) -> dict[str, Any]:
    return {
        "state": "down" if context.feed_reason else "live",
        "last_frame_at": _iso(context.last_frame_ms),
        "reconnects": context.counters.reconnects,
        "sequence_gaps": context.counters.seq_gaps,
        "refused_frames": context.counters.refused_frames,
        "reason": context.feed_reason,
    }


def _cash(context: SessionContext) -> dict[str, Any]:
    own, venue, drift = context.portfolio.cash, context.venue_cash, context.cash_drift
    return {
        "opening": None if context.opening_cash is None else format_money(context.opening_cash),
        "own": format_money(own),
        "venue": None if venue is None else format_money(venue),
        "venue_at": _iso(context.venue_cash_ms),
        # Of the last comparison: against cash that has moved since, the figure would mean nothing.
        "drift": None if drift is None else format_money(drift),
        "at": context.now().isoformat(),
    }


def _pnl(context: SessionContext) -> dict[str, Any]:
    portfolio = context.portfolio
    unrealized: int | None = 0
    for ticker, position in portfolio.positions.items():
        if not position.quantity:
            continue
        mark = _mark(context, ticker)
        unrealized = None if mark is None or unrealized is None else unrealized + position.unrealized_pnl(mark)
    return {
        "realized": format_money(portfolio.realized_pnl),
        "unrealized": None if unrealized is None else format_money(unrealized),
        "fees": format_money(portfolio.fees),
        "exposure": format_money(portfolio.open_cost),
    }


def _mark(context: SessionContext, ticker: str) -> Price | None:
    """Middle of the book, rounded down to $0.0001; None where the book cannot say."""
    book = context.books.book(ticker)
    if book is None or not book.is_quotable or book.best_bid is None or book.best_ask is None:
        return None
    return (book.best_bid + book.best_ask) // 2


def _market(context: SessionContext, desk: MarketDesk) -> dict[str, Any]:
    book = context.books.book(desk.ticker)
    bid, ask = _top(book, Side.BID), _top(book, Side.ASK)
    problem = desk.armed.problem or desk.halted_by_exchange or context.books.unquotable_reason(desk.ticker)
    decision = desk.decision
    return {
        "ticker": desk.ticker,
        "title": desk.armed.title,
        "status": desk.armed.status,
        "best_bid": _price(bid),
        "best_ask": _price(ask),
        "bid_size": _size(bid),
        "ask_size": _size(ask),
        "spread": format_price(ask[0] - bid[0]) if bid and ask else None,
        "last_price": None if desk.last_price is None else format_price(desk.last_price),
        "is_quotable": problem is None,
        "unquotable_reason": problem,
        "book_at": _iso(desk.book_at_ms),
        "position": format_quantity(context.portfolio.position(desk.ticker).quantity),
        "own_bid": _own(desk.working.get(Side.BID)),
        "own_ask": _own(desk.working.get(Side.ASK)),
        "decision": None
        if decision is None
        else {
            "reason": str(decision.reason),
            "bid_reason": str(decision.bid_reason),
            "ask_reason": str(decision.ask_reason),
            "at": _iso(desk.decided_ms),
        },
        "close_at": _iso(desk.armed.close_at_ms),
    }


def _top(book: Any, side: Side) -> Level | None:
    levels: list[Level] = book.levels(side, 1) if book is not None and book.is_quotable else []
    return levels[0] if levels else None


def _price(level: Level | None) -> str | None:
    return format_price(level[0]) if level else None


def _size(level: Level | None) -> str | None:
    return format_quantity(level[1]) if level else None


def _own(order: WorkingOrder | None) -> dict[str, str] | None:
    if order is None:
        return None
    remaining: Quantity = order.tracked.remaining
    return {"price": format_price(order.tracked.price), "remaining": format_quantity(remaining)}


def _order(order: WorkingOrder) -> dict[str, Any]:
    tracked = order.tracked
    return {
        "client_order_id": tracked.client_order_id,
        "venue_order_id": tracked.order_id,
        "ticker": tracked.ticker,
        "side": tracked.side.value,
        "price": format_price(tracked.price),
        "quantity": format_quantity(tracked.quantity),
        "filled": format_quantity(tracked.filled),
        "remaining": format_quantity(tracked.remaining),
        "status": str(tracked.status),
        "created_at": _iso(order.created_ms),
        "reason": order.reason,
        "mode": order.mode.value,
        "expires_at": _iso(None if tracked.expires_at_s is None else tracked.expires_at_s * 1000),
        "queue_ahead": None if order.queue_ahead is None else format_quantity(order.queue_ahead),
        "is_amending": tracked.amending is not None,
    }


def _fill(fill: Fill) -> dict[str, Any]:
    return {
        "trade_id": fill.trade_id,
        "ticker": fill.ticker,
        "side": fill.side.value,
        "price": format_price(fill.price),
        "quantity": format_quantity(fill.quantity),
        "fee": format_money(fill.fee),
        "is_taker": fill.is_taker,
        "filled_at": _iso(fill.ts_ms),
    }


def _iso(ts_ms: int | None) -> str | None:
    return None if ts_ms is None else from_ms(ts_ms).isoformat()
