"""Frames as text. The `msg` object is made once per event; sid, seq and time are spliced in per subscriber."""

from __future__ import annotations

from typing import Any

import msgspec

from apps.engine.decimals import format_money, format_price, format_quantity
from apps.engine.types import ONE_DOLLAR, Side
from apps.simulation.exchange import render
from apps.simulation.exchange.accounts import Account, Holding
from apps.simulation.exchange.clock import rfc3339
from apps.simulation.exchange.markets import Market
from apps.simulation.exchange.orders import ExchangeFill, Order, Trade
from apps.simulation.exchange.publisher import LevelNews

PRICE_TEXT = tuple(format_price(p) for p in range(ONE_DOLLAR + 1))
_encode = msgspec.json.Encoder().encode


def to_json(value: Any) -> str:
    return _encode(value).decode()


def frame(kind: str, sid: int, seq: int | None, msg: str, now_ms: int, command_id: int | None = None) -> str:
    """One server message; `seq` only on the channels that number theirs."""
    number = "" if seq is None else f'"seq":{seq},'
    answered = "" if command_id is None else f'"id":{command_id},'
    return f'{{"type":"{kind}",{answered}"sid":{sid},{number}"msg":{msg},"sending_ts_ms":{now_ms}}}'


def snapshot(market: Market, *, use_yes_price: bool) -> str:
    """The whole book; a side without orders has no key."""
    body: dict[str, Any] = {"market_ticker": market.ticker, "market_id": market.market_id}
    bids = render.levels(market.book.levels(Side.BID), no_leg=False)
    asks = render.levels(market.book.levels(Side.ASK), no_leg=not use_yes_price)
    if bids:
        body["yes_dollars_fp"] = bids
    if asks:
        body["no_dollars_fp"] = asks
    return to_json(body)


class Delta:
    """One level change, rendered lazily for the two price conventions and for the accounts that caused it."""

    __slots__ = ("_head", "_news", "_tail", "_texts")

    def __init__(self, market: Market, news: LevelNews, ts_us: int) -> None:
        self._news = news
        self._head = f'{{"market_ticker":"{market.ticker}","market_id":"{market.market_id}","price_dollars":"'
        side = "yes" if news.side is Side.BID else "no"
        self._tail = (
            f'","delta_fp":"{format_quantity(news.delta)}","side":"{side}",'
            f'"ts":"{rfc3339(ts_us)}","ts_ms":{ts_us // 1000}'
        )
        self._texts: dict[bool, str] = {}

    def text(self, *, use_yes_price: bool, account_id: str) -> str:
        body = self._texts.get(use_yes_price)
        if body is None:
            no_leg = self._news.side is Side.ASK and not use_yes_price
            price = ONE_DOLLAR - self._news.price if no_leg else self._news.price
            body = self._texts[use_yes_price] = f"{self._head}{PRICE_TEXT[price]}{self._tail}"
        for owner, client_order_id in self._news.causes:
            if owner == account_id:
                return f'{body},"client_order_id":{to_json(client_order_id)},"subaccount":0}}'
        return body + "}"


def ticker(market: Market, ts_us: int) -> str:
    bid, bid_size, ask, ask_size = market.top
    return to_json(
        {
            "market_ticker": market.ticker,
            "market_id": market.market_id,
            "price_dollars": format_price(market.last_price),
            "yes_bid_dollars": format_price(bid),
            "yes_ask_dollars": format_price(ask),
            "yes_bid_size_fp": format_quantity(bid_size),
            "yes_ask_size_fp": format_quantity(ask_size),
            "last_trade_size_fp": format_quantity(market.last_size),
            "volume_fp": format_quantity(market.volume),
            "open_interest_fp": format_quantity(market.interest),
            "dollar_volume": market.volume // 100,
            "dollar_open_interest": market.interest // 100,
            "ts_ms": ts_us // 1000,
            "ts": ts_us // 1_000_000,
            "time": rfc3339(ts_us),
        }
    )


def trade(t: Trade) -> str:
    taker = render.outcome(t.taker_side)
    return to_json(
        {
            "trade_id": t.trade_id,
            "market_ticker": t.ticker,
            "yes_price_dollars": format_price(t.price),
            "no_price_dollars": format_price(ONE_DOLLAR - t.price),
            "count_fp": format_quantity(t.quantity),
            "taker_outcome_side": taker,
            "taker_book_side": t.taker_side.value,
            "taker_side": taker,
            "is_block_trade": False,
            "ts_ms": t.ts_us // 1000,
            "ts": t.ts_us // 1_000_000,
        }
    )


def fill(f: ExchangeFill) -> str:
    side = f.order.side
    body: dict[str, Any] = {
        "trade_id": f.trade_id,
        "order_id": f.order.order_id,
        "market_ticker": f.order.ticker,
        "exchange_index": f.order.exchange_index,
        "is_taker": f.is_taker,
        "yes_price_dollars": format_price(f.price),
        "count_fp": format_quantity(f.quantity),
        "fee_cost": format_money(f.fee),
        "post_position_fp": format_quantity(f.post_position),
        "outcome_side": render.outcome(side),
        "book_side": side.value,
        "side": render.outcome(side),
        "purchased_side": render.outcome(side),
        "action": "buy" if side is Side.BID else "sell",
        "subaccount": 0,
        "ts_ms": f.ts_us // 1000,
        "ts": f.ts_us // 1_000_000,
    }
    if f.order.client_order_id:
        body["client_order_id"] = f.order.client_order_id
    return to_json(body)


def user_order(o: Order, user_id: str) -> str:
    body: dict[str, Any] = {
        "order_id": o.order_id,
        "user_id": user_id,
        "client_order_id": o.client_order_id,
        "ticker": o.ticker,
        "status": o.status.value,
        "outcome_side": render.outcome(o.side),
        "book_side": o.side.value,
        "side": render.outcome(o.side),
        "is_yes": o.side is Side.BID,
        "yes_price_dollars": format_price(o.price),
        "initial_count_fp": format_quantity(o.initial),
        "fill_count_fp": format_quantity(o.filled),
        "remaining_count_fp": format_quantity(o.remaining),
        "taker_fill_cost_dollars": format_money(o.taker_cost),
        "maker_fill_cost_dollars": format_money(o.maker_cost),
        "taker_fees_dollars": format_money(o.taker_fees),
        "maker_fees_dollars": format_money(o.maker_fees),
        "self_trade_prevention_type": o.intent.self_trade_prevention.value,
        "created_ts_ms": o.created_us // 1000,
        "last_updated_ts_ms": o.updated_us // 1000,
        "created_time": rfc3339(o.created_us),
        "last_update_time": rfc3339(o.updated_us),
        "subaccount_number": 0,
        "exchange_index": o.exchange_index,
    }
    if o.reason is not None:
        body["last_update_reason"] = o.reason.value
    if o.expires_at_s:
        body["expiration_ts_ms"] = o.expires_at_s * 1000
        body["expiration_time"] = rfc3339(o.expires_at_s * 1_000_000)
    if o.intent.order_group_id:
        body["order_group_id"] = o.intent.order_group_id
    return to_json(body)


def market_position(account: Account, holding: Holding, *, net_of_fees: bool) -> str:
    p = holding.position
    return to_json(
        {
            "user_id": account.user_id,
            "market_ticker": p.ticker,
            "position_fp": format_quantity(p.quantity),
            "position_cost_dollars": format_money(p.cost),
            "realized_pnl_dollars": format_money(p.realized_pnl - (p.fees if net_of_fees else 0)),
            "fees_paid_dollars": format_money(p.fees),
            "position_fee_cost_dollars": format_money(p.fees),
            "volume_fp": format_quantity(holding.volume),
            "subaccount": 0,
        }
    )
