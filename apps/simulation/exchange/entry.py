"""Taking a new order: checks in the exchange's order, matching, and what is left rests or is canceled."""

from __future__ import annotations

from dataclasses import replace

from apps.engine.fees import model_fee
from apps.engine.matching import RestingOrder, Taken, Taker
from apps.engine.types import ONE_DOLLAR, OrderIntent, Price, TimeInForce

from .accounts import Account
from .canceling import close_order
from .executions import apply_matches
from .markets import Market, MarketStatus
from .orders import Order, OrderStatus, Reason
from .refusals import invalid_parameters, refused
from .state import State

HALF: Price = ONE_DOLLAR // 2


def create_order(state: State, account: Account, intent: OrderIntent) -> Order:
    """Take an order and return it in the state the exchange acknowledges. Raises `Refusal`.

    An empty `client_order_id` means none was sent. A post-only order that would cross is refused, but leaves
    a canceled row and spends its client order id.
    """
    market = state.catalogue.markets.get(intent.ticker)
    if market is None:
        raise refused(404, "market_not_found")
    check_client_order_id(account, intent.client_order_id)
    check_open(state, market)
    if intent.price not in market.grid:
        raise refused(400, "invalid_price")
    _check_terms(state, account, market, intent)
    intent, exhausted = _reduce_only(account, intent)
    order = _new_order(state, account, market, intent)
    if exhausted:
        _register(state, account, order)
        close_order(state, order, Reason.REDUCE_ONLY_CANCEL)
        return order
    taker = taker_of(order, order.initial)
    crosses = market.book.fillable(taker) > 0
    if intent.post_only and crosses:
        _register(state, account, order)
        close_order(state, order, Reason.POST_ONLY_CROSS_CANCEL)
        raise refused(400, "invalid_order", "post only cross")
    check_funds(account, market, taker)
    if intent.time_in_force is TimeInForce.FILL_OR_KILL and market.book.fillable(taker) < order.initial:
        raise refused(409, "fill_or_kill_insufficient_resting_volume")
    _register(state, account, order)
    run_taker(state, market, order, taker)
    return order


def check_client_order_id(account: Account, client_order_id: str) -> None:
    if "." in client_order_id:
        raise invalid_parameters("client_order_id must not contain '.'")
    if client_order_id and client_order_id in account.client_order_ids:
        raise refused(409, "order_already_exists")


def check_open(state: State, market: Market, *, canceling: bool = False) -> None:
    """Refuse what the exchange's or the market's state forbids; cancels pass a trading pause and a halt."""
    if not state.exchange_active:
        raise refused(409, "exchange_is_paused")
    if market.status is MarketStatus.INITIALIZED:
        raise refused(409, "market_inactive")
    if market.status not in (MarketStatus.ACTIVE, MarketStatus.INACTIVE):
        raise refused(409, "market_closed")
    if canceling:
        return
    if not state.trading_active or market.status is MarketStatus.INACTIVE:
        raise refused(409, "trading_is_paused")


def _check_terms(state: State, account: Account, market: Market, intent: OrderIntent) -> None:
    resting = intent.time_in_force is TimeInForce.GOOD_TILL_CANCELED
    if intent.post_only and not resting:
        raise invalid_parameters("post_only is only allowed with good_till_canceled")
    if intent.reduce_only and intent.time_in_force is not TimeInForce.IMMEDIATE_OR_CANCEL:
        raise invalid_parameters("reduce_only is only allowed with immediate_or_cancel")
    if intent.expires_at_s is not None:
        if not resting:
            raise invalid_parameters("expiration_time is only allowed with good_till_canceled")
        check_expiration(state, intent.expires_at_s)
    if intent.order_group_id is not None:
        group = state.groups.get(intent.order_group_id)
        if group is None or group.account_id != account.account_id:
            raise refused(404, "order_group_not_found")
        if group.exchange_index != market.exchange_index:
            raise refused(404, "order_group_not_found", "the group belongs to another shard")
        if group.triggered:
            raise refused(409, "exceeded_order_group_risk_limit")


def check_expiration(state: State, expires_at_s: int) -> None:
    if expires_at_s * 1_000_000 <= state.clock.now_us():
        raise invalid_parameters("expiration_time must be in the future")


def _reduce_only(account: Account, intent: OrderIntent) -> tuple[OrderIntent, bool]:
    """Cap a reduce-only order at the position it reduces; True when there is none."""
    if not intent.reduce_only:
        return intent, False
    reducible = max(0, -intent.side.sign * account.held(intent.ticker))
    if not reducible:
        return intent, True
    return replace(intent, quantity=min(intent.quantity, reducible)), False


def _new_order(state: State, account: Account, market: Market, intent: OrderIntent) -> Order:
    now_us = state.clock.now_us()
    return Order(
        order_id=state.new_id(),
        number=state.next_number(),
        account_id=account.account_id,
        intent=intent,
        status=OrderStatus.RESTING,
        price=intent.price,
        initial=intent.quantity,
        remaining=intent.quantity,
        created_us=now_us,
        updated_us=now_us,
        expires_at_s=intent.expires_at_s,
        client_order_id=intent.client_order_id,
        exchange_index=market.exchange_index,
    )


def _register(state: State, account: Account, order: Order) -> None:
    state.orders[order.order_id] = order
    account.orders[order.order_id] = order
    state.catalogue.markets[order.ticker].has_orders = True
    if order.client_order_id:
        account.client_order_ids.add(order.client_order_id)


def taker_of(order: Order, quantity: int) -> Taker:
    return Taker(
        order.side,
        order.price,
        quantity,
        order.account_id,
        order.order_id,
        order.intent.self_trade_prevention,
    )


def check_funds(account: Account, market: Market, taker: Taker, without: Order | None = None) -> None:
    """Refuse what the free cash does not cover: cost at the limit, and the highest fee that can come with it."""
    free = account.cash - account.bound(without)
    cost = account.cost_of(market.ticker, taker.side, taker.limit, taker.quantity, without)
    if cost + _highest_fee(market, taker) > free and cost > 0:
        raise refused(400, "insufficient_balance")


def _highest_fee(market: Market, taker: Taker) -> int:
    """The fee is largest nearest to half a dollar within best price .. limit; one rounding unit per contract."""
    best = market.book.best(taker.side.opposite)
    at_rest = model_fee(market.fee_rule, price=taker.limit, quantity=taker.quantity, is_taker=False)
    if best is None or not taker.crosses(best[0]):
        return at_rest
    low, high = sorted((best[0], taker.limit))
    worst = min(max(HALF, low), high)
    return model_fee(market.fee_rule, price=worst, quantity=taker.quantity, is_taker=True)


def run_taker(state: State, market: Market, order: Order, taker: Taker) -> None:
    """Match an order that is not in the book, then rest or cancel what is left."""
    taken = market.book.take(taker)
    for prevented in taken.prevented:
        own = state.orders[prevented.order_id]
        own.rest = None
        close_order(state, own, Reason.SELF_TRADE_CANCEL)
    apply_matches(state, market, taken.matches, order)
    group = state.groups.get(order.intent.order_group_id or "")
    if order.remaining:
        _settle_rest(state, market, order, taken, blocked=group is not None and group.triggered)


def _settle_rest(state: State, market: Market, order: Order, taken: Taken, *, blocked: bool) -> None:
    if taken.self_crossed:
        close_order(state, order, Reason.SELF_TRADE_CANCEL)
    elif order.intent.time_in_force is not TimeInForce.GOOD_TILL_CANCELED or blocked:
        close_order(state, order)
    else:
        rest_order(state, market, order)


def rest_order(state: State, market: Market, order: Order) -> None:
    """Put an order at the back of its level and publish it."""
    account = state.accounts[order.account_id]
    order.rest = RestingOrder(order.order_id, order.account_id, order.side, order.price, order.remaining)
    order.status = OrderStatus.RESTING
    market.book.place(order.rest)
    account.resting.add(order)
    state.due_by(order.expires_at_s)
    group = state.groups.get(order.intent.order_group_id or "")
    if group is not None:
        group.orders[order.order_id] = order
    state.note_order(order)
    state.publish_book(market)
