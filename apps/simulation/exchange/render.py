"""JSON bodies of the REST answers, as today's API words them (OpenAPI 3.34; recorded demo session)."""

from __future__ import annotations

from typing import Any

from apps.engine.decimals import format_money, format_price, format_quantity
from apps.engine.types import ONE_DOLLAR, Price, Quantity, Side

from .accounts import Holding
from .candles import Candle, Ohlc
from .clock import rfc3339
from .groups import OrderGroup
from .markets import Event, Market, MarketStatus, Series
from .orders import ExchangeFill, Order, Settlement, Trade

_CENT = 10_000


def outcome(side: Side) -> str:
    return "yes" if side is Side.BID else "no"


def levels(book: list[tuple[Price, Quantity]], *, no_leg: bool, depth: int = 0) -> list[list[str]]:
    """Best-first YES levels -> ascending wire levels, the best last; NO levels at their own price."""
    kept = book[:depth] if depth else book
    return [[format_price(ONE_DOLLAR - p if no_leg else p), format_quantity(q)] for p, q in reversed(kept)]


def orderbook(market: Market, depth: int) -> dict[str, Any]:
    return {
        "no_dollars": levels(market.book.levels(Side.ASK), no_leg=True, depth=depth),
        "yes_dollars": levels(market.book.levels(Side.BID), no_leg=False, depth=depth),
    }


def price_ranges(market: Market) -> list[dict[str, str]]:
    return [
        {"start": format_price(r.start), "end": format_price(r.end), "step": format_price(r.step)}
        for r in market.ranges
    ]


def market(m: Market) -> dict[str, Any]:
    bid, bid_size, ask, ask_size = m.top
    body: dict[str, Any] = {
        "ticker": m.ticker,
        "event_ticker": m.event.event_ticker,
        "market_type": "binary",
        "title": m.title,
        "yes_sub_title": m.yes_sub_title,
        "no_sub_title": m.yes_sub_title,
        "created_time": rfc3339(m.created_us),
        "updated_time": rfc3339(m.updated_us or m.created_us),
        "open_time": rfc3339(m.open_us),
        "close_time": rfc3339(m.close_us),
        "expected_expiration_time": rfc3339(m.close_us),
        "latest_expiration_time": rfc3339(m.close_us),
        "expiration_time": rfc3339(m.close_us),
        "occurrence_datetime": rfc3339(m.close_us),
        "settlement_timer_seconds": m.settlement_timer_seconds,
        "status": m.status.value,
        "yes_bid_dollars": format_price(bid),
        "yes_bid_size_fp": format_quantity(bid_size),
        "yes_ask_dollars": format_price(ask),
        "yes_ask_size_fp": format_quantity(ask_size),
        "no_bid_dollars": format_price(ONE_DOLLAR - ask),
        "no_ask_dollars": format_price(ONE_DOLLAR - bid),
        "last_price_dollars": format_price(m.last_price),
        "previous_yes_bid_dollars": "0.0000",
        "previous_yes_ask_dollars": "0.0000",
        "previous_price_dollars": "0.0000",
        "volume_fp": format_quantity(m.volume),
        "volume_24h_fp": format_quantity(m.volume),
        "open_interest_fp": format_quantity(m.interest),
        "notional_value_dollars": "1.0000",
        "result": m.result,
        "settlement_bounds_type": "default",
        "expiration_value": "",
        "can_close_early": True,
        "early_close_condition": "This market closes early when its outcome is known.",
        "rules_primary": m.title,
        "rules_secondary": "",
        "price_level_structure": m.structure,
        "price_ranges": price_ranges(m),
        "exchange_index": m.exchange_index,
    }
    if m.floor_strike is not None:
        body |= {"strike_type": "greater_or_equal", "floor_strike": m.floor_strike}
    if m.settlement_value is not None:
        body["settlement_value_dollars"] = format_price(m.settlement_value)
    if m.settled_us is not None:
        body["settlement_ts"] = rfc3339(m.settled_us)
    return body


def event(e: Event, *, nested: bool) -> dict[str, Any]:
    body: dict[str, Any] = {
        "event_ticker": e.event_ticker,
        "series_ticker": e.series.ticker,
        "title": e.title,
        "sub_title": e.sub_title,
        "collateral_return_type": "",
        "mutually_exclusive": e.mutually_exclusive,
        "settlement_sources": None,
        "strike_period": "",
        "last_updated_ts": rfc3339(max((m.updated_us or m.created_us for m in e.markets), default=0)),
        "exchange_index": e.exchange_index,
    }
    if e.fee_type is not None:
        body["fee_type_override"] = e.fee_type
    if e.fee_multiplier is not None:
        body["fee_multiplier_override"] = float(e.fee_multiplier)
    if nested:
        body["markets"] = [market(m) for m in e.markets]
    return body


def event_status(e: Event) -> frozenset[MarketStatus]:
    return frozenset(m.status for m in e.markets)


def series(s: Series) -> dict[str, Any]:
    return {
        "ticker": s.ticker,
        "frequency": s.frequency,
        "title": s.title,
        "category": s.category,
        "categories": [s.category],
        "tags": None,
        "settlement_sources": None,
        "contract_url": "",
        "contract_terms_url": "",
        "fee_type": s.fee_type,
        "fee_multiplier": float(s.fee_multiplier),
        "additional_prohibitions": None,
        "exchange_index": 0,
    }


def trade(t: Trade) -> dict[str, Any]:
    taker = outcome(t.taker_side)
    return {
        "trade_id": t.trade_id,
        "ticker": t.ticker,
        "count_fp": format_quantity(t.quantity),
        "yes_price_dollars": format_price(t.price),
        "no_price_dollars": format_price(ONE_DOLLAR - t.price),
        "taker_outcome_side": taker,
        "taker_book_side": t.taker_side.value,
        "taker_side": taker,
        "created_time": rfc3339(t.ts_us),
        "is_block_trade": False,
    }


def _price_or_none(price: Price | None) -> str | None:
    return None if price is None else format_price(price)


def _ohlc(o: Ohlc) -> dict[str, str | None]:
    named = {"open": o.open, "low": o.low, "high": o.high, "close": o.close}
    return {f"{name}_dollars": _price_or_none(value) for name, value in named.items()}


def candle(c: Candle) -> dict[str, Any]:
    price = _ohlc(c.price) | {
        "mean_dollars": _price_or_none(c.mean),
        "previous_dollars": _price_or_none(c.previous),
        "min_dollars": _price_or_none(c.price.low),
        "max_dollars": _price_or_none(c.price.high),
    }
    return {
        "end_period_ts": c.end_s,
        "yes_bid": _ohlc(c.bid),
        "yes_ask": _ohlc(c.ask),
        "price": price,
        "volume_fp": format_quantity(c.volume),
        "open_interest_fp": format_quantity(c.open_interest),
    }


def order(o: Order, user_id: str) -> dict[str, Any]:
    """A V2 ask reads back as `sell` `yes`; null fields are left out, as on the wire."""
    body: dict[str, Any] = {
        "order_id": o.order_id,
        "user_id": user_id,
        "client_order_id": o.client_order_id,
        "ticker": o.ticker,
        "outcome_side": outcome(o.side),
        "book_side": o.side.value,
        "side": "yes",
        "action": "buy" if o.side is Side.BID else "sell",
        "type": "limit",
        "status": o.status.value,
        "yes_price_dollars": format_price(o.price),
        "no_price_dollars": format_price(ONE_DOLLAR - o.price),
        "fill_count_fp": format_quantity(o.filled),
        "remaining_count_fp": format_quantity(o.remaining),
        "initial_count_fp": format_quantity(o.initial),
        "taker_fill_cost_dollars": format_money(o.taker_cost),
        "maker_fill_cost_dollars": format_money(o.maker_cost),
        "taker_fees_dollars": format_money(o.taker_fees),
        "maker_fees_dollars": format_money(o.maker_fees),
        "created_time": rfc3339(o.created_us),
        "last_update_time": rfc3339(o.updated_us),
        "self_trade_prevention_type": o.intent.self_trade_prevention.value,
        "subaccount_number": 0,
        "exchange_index": o.exchange_index,
    }
    if o.expires_at_s:
        body["expiration_time"] = rfc3339(o.expires_at_s * 1_000_000)
    if o.intent.order_group_id:
        body["order_group_id"] = o.intent.order_group_id
    if o.intent.cancel_on_pause:
        body["cancel_order_on_pause"] = True
    return body


def fill(f: ExchangeFill) -> dict[str, Any]:
    """`side` is the outcome acquired and `action` carries no sign; there is no `client_order_id` here."""
    side = f.order.side
    return {
        "fill_id": f.trade_id,
        "trade_id": f.trade_id,
        "order_id": f.order.order_id,
        "ticker": f.order.ticker,
        "market_ticker": f.order.ticker,
        "outcome_side": outcome(side),
        "book_side": side.value,
        "side": outcome(side),
        "action": "buy" if side is Side.BID else "sell",
        "count_fp": format_quantity(f.quantity),
        "yes_price_dollars": format_price(f.price),
        "no_price_dollars": format_price(ONE_DOLLAR - f.price),
        "is_taker": f.is_taker,
        "fee_cost": format_money(f.fee),
        "created_time": rfc3339(f.ts_us),
        "ts": f.ts_us // 1_000_000,
        "subaccount_number": 0,
        "exchange_index": f.order.exchange_index,
    }


def position(h: Holding, exchange_index: int, *, net_of_fees: bool) -> dict[str, Any]:
    p = h.position
    return {
        "ticker": p.ticker,
        "exchange_index": exchange_index,
        "position_fp": format_quantity(p.quantity),
        "total_traded_dollars": format_money(h.traded),
        "market_exposure_dollars": format_money(p.cost),
        "realized_pnl_dollars": format_money(p.realized_pnl - (p.fees if net_of_fees else 0)),
        "fees_paid_dollars": format_money(p.fees),
        "last_updated_ts": rfc3339(h.updated_us),
    }


def event_position(event_ticker: str, held: list[Holding], *, net_of_fees: bool) -> dict[str, Any]:
    cost = sum(h.position.cost for h in held)
    fees = sum(h.position.fees for h in held)
    realized = sum(h.position.realized_pnl for h in held) - (fees if net_of_fees else 0)
    return {
        "event_ticker": event_ticker,
        "total_cost_dollars": format_money(sum(h.traded for h in held)),
        "total_cost_shares_fp": format_quantity(sum(h.volume for h in held)),
        "event_exposure_dollars": format_money(cost),
        "realized_pnl_dollars": format_money(realized),
        "fees_paid_dollars": format_money(fees),
    }


def settlement(s: Settlement) -> dict[str, Any]:
    yes = s.position > 0
    count, cost = format_quantity(abs(s.position)), format_money(s.cost)
    return {
        "ticker": s.ticker,
        "event_ticker": s.event_ticker,
        "exchange_index": s.exchange_index,
        "market_result": s.result,
        "yes_count_fp": count if yes else "0.00",
        "no_count_fp": "0.00" if yes else count,
        "yes_total_cost_dollars": cost if yes else "0.000000",
        "no_total_cost_dollars": "0.000000" if yes else cost,
        "revenue": (s.revenue - s.fee) // _CENT,
        "fee_cost": format_money(s.fee),
        "settled_time": rfc3339(s.ts_us),
        "value": s.value // 100,
    }


def group(g: OrderGroup) -> dict[str, Any]:
    return {
        "is_auto_cancel_enabled": g.triggered,
        "contracts_limit_fp": format_quantity(g.limit),
        "exchange_index": g.exchange_index,
    }


def created(o: Order) -> dict[str, Any]:
    """Acknowledgment of a create or an amend; averages only when something filled."""
    body: dict[str, Any] = {"order_id": o.order_id}
    if o.client_order_id:
        body["client_order_id"] = o.client_order_id
    body |= {
        "fill_count": format_quantity(o.filled),
        "remaining_count": format_quantity(o.remaining),
        "ts_ms": o.updated_us // 1000,
    }
    price, fee = o.average_price, o.average_fee
    if price is not None and fee is not None:
        body |= {"average_fill_price": format_price(price), "average_fee_paid": format_price(fee)}
    return body
