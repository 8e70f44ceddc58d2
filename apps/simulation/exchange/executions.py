"""What a match does: trades, both sides' orders, fees, cash, positions, groups and the market's totals."""

from __future__ import annotations

from collections.abc import Iterable

from apps.engine.fees import charge_fill
from apps.engine.matching import Match
from apps.engine.types import ONE_DOLLAR, Price, Quantity, Side

from .canceling import forget_resting, trigger_group
from .groups import OrderGroup
from .markets import Market
from .orders import ExchangeFill, Order, OrderStatus, Reason, Trade
from .state import State


def apply_matches(state: State, market: Market, matches: Iterable[Match], taker: Order | None = None) -> None:
    """Book every match, then publish the book. `taker` is our aggressor, None the crowd.

    Groups whose limit the matches exceeded are triggered after all of them are booked.
    """
    exceeded: dict[str, OrderGroup] = {}
    for match in matches:
        trade = _print(state, market, match.price, match.quantity, match.taker_side)
        maker = None if match.maker is None else state.orders[match.maker.order_id]
        for order, is_taker in ((maker, False), (taker, True)):
            if order is None:
                side = match.taker_side if is_taker else match.taker_side.opposite
                _fill_crowd(state, market, side, trade)
                continue
            _fill(state, market, order, trade, is_taker=is_taker)
            group = _count_in_group(state, order, trade)
            if group is not None:
                exceeded[group.group_id] = group
    state.publish_book(market)
    for group in exceeded.values():
        trigger_group(state, group)


def print_trade(state: State, market: Market, price: Price, quantity: Quantity, taker_side: Side) -> Trade:
    """A public trade of the crowd with itself."""
    return _print(state, market, price, quantity, taker_side)


def _print(state: State, market: Market, price: Price, quantity: Quantity, taker_side: Side) -> Trade:
    now_us = state.clock.now_us()
    number, trade_id = state.next_number(), state.new_id()
    trade = Trade(number, trade_id, market.ticker, price, quantity, taker_side, now_us)
    market.trades.appendleft(trade)
    market.last_price, market.last_size = price, quantity
    market.volume += quantity
    market.candles.trade(now_us // 1_000_000, price, quantity, market.interest)
    state.publisher.traded(trade)
    return trade


def _fill_crowd(state: State, market: Market, side: Side, trade: Trade) -> None:
    holding = state.crowd.holding(market.ticker)
    before = max(0, holding.position.quantity)
    state.crowd.cash += holding.fill(side, trade.price, trade.quantity)
    state.note_crowd(holding, trade.ts_us)
    market.interest += max(0, holding.position.quantity) - before


def _fill(state: State, market: Market, order: Order, trade: Trade, *, is_taker: bool) -> None:
    account = state.accounts[order.account_id]
    side, quantity = order.side, trade.quantity
    charge = charge_fill(
        market.fee_rule,
        side=side,
        price=trade.price,
        quantity=quantity,
        is_taker=is_taker,
        accumulator=order.accumulator,
    )
    order.accumulator = charge.accumulator
    cost = quantity * (trade.price if side is Side.BID else ONE_DOLLAR - trade.price)
    if is_taker:
        order.taker_cost += cost
        order.taker_fees += charge.fee
    else:
        order.maker_cost += cost
        order.maker_fees += charge.fee
    order.filled += quantity
    order.remaining -= quantity
    order.updated_us, order.reason = trade.ts_us, Reason.TRADE
    holding = account.holding(market.ticker)
    before = max(0, holding.position.quantity)
    account.cash += holding.fill(side, trade.price, quantity) - charge.fee
    holding.position.fees += charge.fee
    holding.updated_us = trade.ts_us
    market.interest += max(0, holding.position.quantity) - before
    if not order.remaining:
        order.status, order.rest = OrderStatus.EXECUTED, None
        forget_resting(state, order)
    post = holding.position.quantity
    fill = ExchangeFill(
        trade.number, trade.trade_id, order, trade.price, quantity, charge.fee, is_taker, trade.ts_us, post
    )
    account.fills.append(fill)
    state.note_holding(account, holding, trade.ts_us, fill)
    state.note_order(order)


def _count_in_group(state: State, order: Order, trade: Trade) -> OrderGroup | None:
    """The order's group, when this trade took it over its limit."""
    group = state.groups.get(order.intent.order_group_id or "")
    if group is None or group.triggered:
        return None
    exceeded = group.count(trade.quantity, trade.ts_us, state.config.group_window_us)
    state.log.group(group)
    return group if exceeded else None
