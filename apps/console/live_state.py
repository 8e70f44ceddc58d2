"""From the topics the trading session publishes to what the screen shows."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from apps.trading.selectors import FillRow, OrderRow

from .guards import exchange_tile, gate_tile, guardian_told_at
from .state import CashTile, FeedTile, LiveState, MarketRow, PnlTile, Quote, SessionTile, TradingTile

_COUNTERS = {
    "decisions": "decisions",
    "orders": "orders",
    "fills": "fills",
    "contracts_filled": "contracts filled",
    "denied": "denied",
    "held": "held back for tokens",
    "rejected": "rejected",
    "frames": "frames",
    "seq_gaps": "sequence gaps",
    "errors": "errors",
}


class UnreadableState(ValueError):
    """The published state lacks something or holds something that is not what it should be."""


def from_payload(payload: dict[str, Any]) -> LiveState:
    """Raises `UnreadableState`; a half-understood state is not shown."""
    try:
        return _state(payload)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise UnreadableState(f"{type(error).__name__}: {error}") from error


def number(value: Any) -> Decimal | None:
    """A finite decimal, or None for a missing one."""
    if value is None:
        return None
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise TypeError(f"not a decimal string: {value!r}")
    parsed = Decimal(value)
    if not parsed.is_finite():
        raise ValueError(f"not finite: {value!r}")
    return parsed


def needed(value: Any) -> Decimal:
    parsed = number(value)
    if parsed is None:
        raise ValueError("a needed number is missing")
    return parsed


def instant(value: Any) -> datetime | None:
    if value is None:
        return None
    parsed = datetime.fromisoformat(value)
    if parsed.tzinfo is None:
        raise ValueError(f"a time without a zone: {value!r}")
    return parsed


def needed_instant(value: Any) -> datetime:
    parsed = instant(value)
    if parsed is None:
        raise ValueError("a needed time is missing")
    return parsed


def _state(payload: dict[str, Any]) -> LiveState:
    at = needed_instant(payload["at"])
    trading = payload["trading_state"]
    markets = tuple(_market(row) for row in payload["markets"])
    return LiveState(
        source="live",
        notice="",
        at=at,
        environment=payload["environment"],
        account=payload["account"],
        session=_session(payload["session"], at),
        trading=TradingTile(trading["state"], trading.get("reason") or "", at),
        feed=_feed(payload["feed"]),
        cash=_cash(payload["cash"]),
        pnl=_pnl(payload["pnl"], at),
        markets=markets,
        markets_total=max(len(markets), int((payload["session"].get("counters") or {}).get("markets", 0))),
        orders=tuple(_order(row) for row in payload["orders"]),
        fills=tuple(_fill(row) for row in payload["fills"]),
        gate=gate_tile(payload, at),
        exchange=exchange_tile(payload, at),
        guardian_at=guardian_told_at(payload, at),
    )


def _session(row: dict[str, Any], at: datetime) -> SessionTile:
    counters = row.get("counters") or {}
    return SessionTile(
        state=row["state"],
        reason=row.get("reason") or "",
        at=at,
        started_at=instant(row.get("started_at")),
        token=row.get("fencing_token"),
        counters=counter_lines(counters),
    )


def counter_lines(counters: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((label, _counted(counters[name])) for name, label in _COUNTERS.items() if name in counters)


def _counted(value: Any) -> str:
    """Whole numbers with their thousands apart; anything else as it was sent."""
    return f"{value:,}" if isinstance(value, int) else str(value)


def _feed(row: dict[str, Any]) -> FeedTile:
    return FeedTile(
        state=row["state"],
        reason=row.get("reason") or "",
        last_frame_at=instant(row.get("last_frame_at")),
        reconnects=row.get("reconnects"),
        sequence_gaps=row.get("sequence_gaps"),
        refused_frames=row.get("refused_frames"),
    )


def _cash(row: dict[str, Any]) -> CashTile:
    return CashTile(
        own=number(row.get("own")),
        at=instant(row.get("at")),
        venue=number(row.get("venue")),
        venue_at=instant(row.get("venue_at")),
        drift=number(row.get("drift")),
        opening=number(row.get("opening")),
    )


def _pnl(row: dict[str, Any], at: datetime) -> PnlTile:
    return PnlTile(
        realized=number(row.get("realized")),
        unrealized=number(row.get("unrealized")),
        fees=number(row.get("fees")),
        exposure=number(row.get("exposure")),
        at=at,
    )


def _quote(row: dict[str, Any] | None) -> Quote | None:
    return None if row is None else Quote(needed(row["price"]), needed(row["remaining"]))


def _market(row: dict[str, Any]) -> MarketRow:
    decision = row.get("decision") or {}
    return MarketRow(
        ticker=row["ticker"],
        title=row.get("title") or "",
        status=row.get("status") or "",
        best_bid=number(row.get("best_bid")),
        best_ask=number(row.get("best_ask")),
        bid_size=number(row.get("bid_size")),
        ask_size=number(row.get("ask_size")),
        spread=number(row.get("spread")),
        last_price=number(row.get("last_price")),
        is_quotable=row["is_quotable"] is True,
        unquotable_reason=row.get("unquotable_reason") or "",
        book_at=instant(row.get("book_at")),
        position=number(row.get("position")),
        own_bid=_quote(row.get("own_bid")),
        own_ask=_quote(row.get("own_ask")),
        reason=decision.get("reason") or "",
        bid_reason=decision.get("bid_reason") or "",
        ask_reason=decision.get("ask_reason") or "",
        decided_at=instant(decision.get("at")),
        close_at=instant(row.get("close_at")),
    )


def _order(row: dict[str, Any]) -> OrderRow:
    return OrderRow(
        client_order_id=row["client_order_id"],
        venue_order_id=row.get("venue_order_id") or "",
        ticker=row["ticker"],
        side=row["side"],
        price=needed(row["price"]),
        quantity=needed(row["quantity"]),
        filled=needed(row["filled"]),
        remaining=needed(row["remaining"]),
        status=row["status"],
        created_at=needed_instant(row["created_at"]),
        reason=row.get("reason") or "",
        mode=row.get("mode") or "",
        expires_at=instant(row.get("expires_at")),
        queue_ahead=number(row.get("queue_ahead")),
    )


def _fill(row: dict[str, Any]) -> FillRow:
    return FillRow(
        trade_id=row["trade_id"],
        ticker=row["ticker"],
        side=row["side"],
        price=needed(row["price"]),
        quantity=needed(row["quantity"]),
        fee=needed(row["fee"]),
        is_taker=row["is_taker"] is True,
        filled_at=needed_instant(row["filled_at"]),
    )
