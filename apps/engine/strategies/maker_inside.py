"""Rest one tick inside the best prices of others, post-only, where the spread is wide enough.

With others at 0.56/0.60 on a cent grid: buy YES at 0.57, sell at 0.59. Skips below the minimum spread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from apps.engine.limits import TradingState
from apps.engine.types import ONE_DOLLAR, Level, Price, Quantity, Side

from . import params as generic
from .base import Decision, MarketView, Quote, QuoteReason, SkipReason, combine, skip
from .params import BadParameter, Unit, check_bounds, spec

SLUG = "maker_inside"
VERSION = "1"
MAX_PRICE: Price = ONE_DOLLAR - 1


@dataclass(frozen=True, slots=True)
class MakerParams:
    """Parameters in engine units; raises `BadParameter` when built out of bounds."""

    min_spread: Price = field(
        default=200,
        metadata=spec(Unit.PRICE, "Quote only where others' spread is at least this", low=1, high=MAX_PRICE),
    )
    order_quantity: Quantity = field(
        default=1_000, metadata=spec(Unit.QUANTITY, "Contracts per resting order", low=1, high=10_000_000)
    )
    max_position: Quantity = field(
        default=10_000, metadata=spec(Unit.QUANTITY, "Largest YES or NO position to reach", high=100_000_000)
    )
    quote_bid: bool = field(default=True, metadata=spec(Unit.FLAG, "Rest orders that buy YES"))
    quote_ask: bool = field(default=True, metadata=spec(Unit.FLAG, "Rest orders that sell YES"))
    refresh_tolerance_ticks: int = field(
        default=0, metadata=spec(Unit.COUNT, "Leave a best order this near its target", high=100)
    )
    min_price: Price = field(
        default=100, metadata=spec(Unit.PRICE, "Lowest YES price to rest at", low=1, high=MAX_PRICE)
    )
    max_price: Price = field(
        default=9_900, metadata=spec(Unit.PRICE, "Highest YES price to rest at", low=1, high=MAX_PRICE)
    )
    max_feed_age_ms: int = field(
        default=15_000, metadata=spec(Unit.MILLISECONDS, "Longest silence of a live feed", low=1, high=600_000)
    )

    def __post_init__(self) -> None:
        check_bounds(self)
        if self.min_price > self.max_price:
            raise BadParameter("min_price", "above max_price")


def params_from_mapping(
    values: Mapping[str, str | Decimal | int | bool], base: MakerParams | None = None
) -> MakerParams:
    """`base` (the defaults if none) with the given values as people write them; raises `BadParameter`."""
    return generic.params_from_mapping(base or MakerParams(), values)


def decide(view: MarketView, params: MakerParams | None) -> Decision:
    """What should rest in this market now, and why or why not.

    1. a skip for the whole market: parameters, trading state, market, feed, book, position, spread
    2. per side: one tick inside the best, within the band, sized so that the position stays within its maximum
    3. a resting order is kept when it is as good as a new one would be
    4. room for a single price: the side that reduces the position gets it, the bid when flat
    """
    if params is None:
        return skip(SkipReason.PARAMS_MISSING)
    problem = _market_problem(view, params) or _book_problem(view, params)
    if problem is not None:
        return skip(problem)
    bid, ask = _side(view, params, Side.BID), _side(view, params, Side.ASK)
    if isinstance(bid, Quote) and isinstance(ask, Quote) and bid.price >= ask.price:
        bid, ask = _without_lock(view, params, bid, ask)
    return combine(bid, ask)


def _market_problem(view: MarketView, params: MakerParams) -> SkipReason | None:
    if view.trading_state not in (TradingState.ACTIVE, TradingState.REDUCING):
        return SkipReason.TRADING_STATE
    if not view.is_open:
        return SkipReason.MARKET_NOT_OPEN
    if view.feed_age_ms is None or not 0 <= view.feed_age_ms <= params.max_feed_age_ms:
        return SkipReason.FEED_STALE
    if view.position is None:
        return SkipReason.POSITION_UNKNOWN
    return None


def _book_problem(view: MarketView, params: MakerParams) -> SkipReason | None:
    if view.book_problem is not None:
        return SkipReason.BOOK_UNQUOTABLE
    if view.bid is None:
        return SkipReason.NO_BID
    if view.ask is None:
        return SkipReason.NO_ASK
    bid, ask = view.bid[0], view.ask[0]
    if bid not in view.grid or ask not in view.grid:
        return SkipReason.BOOK_UNQUOTABLE
    if bid >= ask:
        return SkipReason.WOULD_CROSS
    if ask - bid < params.min_spread:
        return SkipReason.SPREAD_BELOW_MINIMUM
    if view.grid.ticks_between(bid, ask) < 2:
        return SkipReason.NO_PRICE_INSIDE
    return None


def _target(view: MarketView, side: Side) -> Price:
    assert view.bid is not None
    assert view.ask is not None
    inside = view.grid.up(view.bid[0]) if side is Side.BID else view.grid.down(view.ask[0])
    assert inside is not None
    return inside


def _side(view: MarketView, params: MakerParams, side: Side, *, keep: bool = True) -> Quote | SkipReason:
    if not (params.quote_bid if side is Side.BID else params.quote_ask):
        return SkipReason.SIDE_OFF
    room = _room(view, params, side)
    if room <= 0:
        reducing = view.trading_state is TradingState.REDUCING
        return SkipReason.TRADING_STATE if reducing else SkipReason.POSITION_AT_MAXIMUM
    quantity = min(params.order_quantity, room)
    target = _target(view, side)
    own = view.own_bid if side is Side.BID else view.own_ask
    tolerance = params.refresh_tolerance_ticks if keep else 0
    if own is not None and own[1] <= quantity and _is_as_good(view, own, target, tolerance):
        quote = Quote(side, own[0], own[1], QuoteReason.KEEP)
    else:
        quote = Quote(side, target, quantity, QuoteReason.JOINED_INSIDE)
    if not params.min_price <= quote.price <= params.max_price:
        return SkipReason.OUTSIDE_PRICE_BAND
    return quote


def _room(view: MarketView, params: MakerParams, side: Side) -> Quantity:
    """How much this side may still add before the position passes its maximum, or zero when reducing."""
    held = side.sign * (view.position or 0)
    maximum = 0 if view.trading_state is TradingState.REDUCING else params.max_position
    return maximum - held


def _is_as_good(view: MarketView, own: Level, target: Price, tolerance: int) -> bool:
    price, quantity = own
    if quantity <= 0 or price not in view.grid:
        return False
    if price == target:
        return True
    assert view.bid is not None
    assert view.ask is not None
    return view.bid[0] < price < view.ask[0] and abs(view.grid.ticks_between(price, target)) <= tolerance


def _without_lock(
    view: MarketView, params: MakerParams, bid: Quote, ask: Quote
) -> tuple[Quote | SkipReason, Quote | SkipReason]:
    """Both sides meet: drop the tolerance first, and if there is one price only, keep one side."""
    fresh_bid = _side(view, params, Side.BID, keep=False)
    fresh_ask = _side(view, params, Side.ASK, keep=False)
    if isinstance(fresh_bid, Quote) and isinstance(fresh_ask, Quote) and fresh_bid.price < fresh_ask.price:
        return fresh_bid, fresh_ask
    if (view.position or 0) > 0:
        return SkipReason.ONE_PRICE_INSIDE, ask
    return bid, SkipReason.ONE_PRICE_INSIDE
