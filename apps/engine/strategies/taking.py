"""Taking: meet what rests on the other side where it is better than the strategy's own reference price.

Buying at `ask` gains `reference - ask` per contract less the taker fee, selling at `bid` gains `bid - reference`
less the fee. The order goes out at the best price that is seen; its bound says how much further it may go before it
is sent: `max_slippage`, and never so far that less than `min_edge` is left.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from apps.engine.errors import EngineError
from apps.engine.fees import FeeRule, charge_fill
from apps.engine.rollout import Style
from apps.engine.types import Money, Price, Quantity, Side

from .base import MarketView, Quote, QuoteReason, SkipReason
from .execution import ExecutionParams


def take(view: MarketView, params: ExecutionParams, side: Side, quantity: Quantity) -> Quote | SkipReason:
    """The taking order of one side for at most `quantity` contracts and what stands at the best price, or why none.

    Fee: that of one fill of the whole order at the price (Kalshi docs: fee rounding).
    """
    level = view.ask if side is Side.BID else view.bid
    if level is None:
        return SkipReason.NO_ASK if side is Side.BID else SkipReason.NO_BID
    if view.reference is None:
        return SkipReason.REFERENCE_UNKNOWN
    if view.fee_rule is None:
        return SkipReason.FEE_UNKNOWN
    price, there = level
    quantity = min(quantity, there)
    try:
        if not leaves_edge(view.fee_rule, side, price, quantity, view.reference, params.min_edge):
            return SkipReason.EDGE_BELOW_MINIMUM
        bound = _bound(view, view.fee_rule, params, side, price, quantity, view.reference)
    except EngineError:
        return SkipReason.FEE_UNKNOWN
    return Quote(side, price, quantity, QuoteReason.TAKE, Style.TAKER, bound, params.taker_time_in_force.engine)


def leaves_edge(rule: FeeRule, side: Side, price: Price, quantity: Quantity, reference: Price, min_edge: Price) -> bool:
    """Whether a fill at `price` gains at least `min_edge` per contract after the fee.

    Raises `UnknownFeeType`, `BadNumber`.
    """
    gain: Money = side.sign * (reference - price) * quantity
    if gain < min_edge * quantity:
        return False
    fee = charge_fill(rule, side=side, price=price, quantity=quantity, is_taker=True).fee
    return gain - fee >= min_edge * quantity


def _bound(
    view: MarketView,
    rule: FeeRule,
    params: ExecutionParams,
    side: Side,
    price: Price,
    quantity: Quantity,
    reference: Price,
) -> Price:
    """The furthest price of the grid within `max_slippage` that still leaves the edge, found by halving.

    The edge shrinks steadily with the price, so every price up to the bound leaves it too.
    """
    prices, sign, start = view.grid.prices, side.sign, view.grid.index(price)
    furthest = price + sign * params.max_slippage
    far = bisect_right(prices, furthest) - 1 - start if side is Side.BID else start - bisect_left(prices, furthest)
    near = 0
    while near < far:
        middle = (near + far + 1) // 2
        if leaves_edge(rule, side, prices[start + sign * middle], quantity, reference, params.min_edge):
            near = middle
        else:
            far = middle - 1
    return prices[start + sign * near]
