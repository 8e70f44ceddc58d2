"""Rest one tick inside the best prices of others, post-only, where the spread is wide enough.

With others at 0.56/0.60 on a cent grid: buy YES at 0.57, sell at 0.59. Skips below the minimum spread. In markets
that its parameters assign to taking it rests nothing and takes what is better than its reference (`taking`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from apps.engine.limits import TradingState
from apps.engine.rollout import Style, style_of
from apps.engine.types import ONE_DOLLAR, Level, Price, Quantity, Side

from . import params as generic
from .base import Decision, MarketView, Quote, QuoteReason, SkipReason, combine, skip
from .execution import ExecutionParams
from .params import BadParameter, Unit, check_bounds, spec
from .taking import take

SLUG = "maker_inside"
VERSION = "2"
MAX_PRICE: Price = ONE_DOLLAR - 1


@dataclass(frozen=True, slots=True)
class MakerParams(ExecutionParams):
    """Parameters in engine units; raises `BadParameter` when built out of bounds."""

    min_spread: Price = field(
        default=200,
        metadata=spec(Unit.PRICE, "Quote only where others' spread is at least this", low=1, high=MAX_PRICE),
    )
    order_quantity: Quantity = field(
        default=1_000, metadata=spec(Unit.QUANTITY, "Contracts per order", low=1, high=10_000_000)
    )
    max_position: Quantity = field(
        default=10_000, metadata=spec(Unit.QUANTITY, "Largest YES or NO position to reach", high=100_000_000)
    )
    quote_bid: bool = field(default=True, metadata=spec(Unit.FLAG, "Buy YES"))
    quote_ask: bool = field(default=True, metadata=spec(Unit.FLAG, "Sell YES"))
    refresh_tolerance_ticks: int = field(
        default=0, metadata=spec(Unit.COUNT, "Leave a best order this near its target", high=100)
    )
    min_price: Price = field(
        default=100, metadata=spec(Unit.PRICE, "Lowest YES price of an order", low=1, high=MAX_PRICE)
    )
    max_price: Price = field(
        default=9_900, metadata=spec(Unit.PRICE, "Highest YES price of an order", low=1, high=MAX_PRICE)
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

    In a market assigned to taking, 2 to 4 give way to `taking.take`, and no spread is too narrow.
    """
    if params is None:
        return skip(SkipReason.PARAMS_MISSING)
    problem = _market_problem(view, params) or _book_problem(view)
    if problem is not None:
        return skip(problem)
    if style_of(params.execution_mode, SLUG, view.ticker, params.taker_share_bps) is Style.TAKER:
        return combine(_take(view, params, Side.BID), _take(view, params, Side.ASK))
    problem = _spread_problem(view, params)
    if problem is not None:
        return skip(problem)
    bid, ask = _side(view, params, Side.BID), _side(view, params, Side.ASK)
    if isinstance(bid, Quote) and isinstance(ask, Quote) and bid.price >= ask.price:
        bid, ask = _without_lock(view, params, bid, ask)
    return combine(bid, ask, _review_ms(view, params))


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


def _book_problem(view: MarketView) -> SkipReason | None:
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
    return None


def _spread_problem(view: MarketView, params: MakerParams) -> SkipReason | None:
    assert view.bid is not None
    assert view.ask is not None
    bid, ask = view.bid[0], view.ask[0]
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
    quantity = _quantity(view, params, side)
    if isinstance(quantity, SkipReason):
        return quantity
    if _fades_until(view, params, side) is not None:
        quote = _faded(view, params, side, quantity)
    else:
        quote = _joined(view, params, side, quantity, keep=keep)
    if quote is None:
        return SkipReason.NO_PRICE_TO_FADE_TO
    if not params.min_price <= quote.price <= params.max_price:
        return SkipReason.OUTSIDE_PRICE_BAND
    return quote


def _quantity(view: MarketView, params: MakerParams, side: Side) -> Quantity | SkipReason:
    if not (params.quote_bid if side is Side.BID else params.quote_ask):
        return SkipReason.SIDE_OFF
    room = _room(view, params, side)
    if room <= 0:
        reducing = view.trading_state is TradingState.REDUCING
        return SkipReason.TRADING_STATE if reducing else SkipReason.POSITION_AT_MAXIMUM
    return min(params.order_quantity, room)


def _joined(view: MarketView, params: MakerParams, side: Side, quantity: Quantity, *, keep: bool) -> Quote:
    """One tick inside; what rests is kept when as good, and moved on when too much stands ahead of it."""
    target = _target(view, side)
    own = view.own_bid if side is Side.BID else view.own_ask
    tolerance = params.refresh_tolerance_ticks if keep else 0
    if own is None or own[1] > quantity or not _is_as_good(view, own, target, tolerance):
        return Quote(side, target, quantity, QuoteReason.JOINED_INSIDE)
    kept = Quote(side, own[0], own[1], QuoteReason.KEEP)
    queue = view.own_bid_queue if side is Side.BID else view.own_ask_queue
    if not keep or not params.max_queue_ahead or queue is None or queue <= params.max_queue_ahead:
        return kept
    better = _ahead_of(view, side, own[0], target)
    return kept if better is None else Quote(side, better, quantity, QuoteReason.REQUEUED)


def _ahead_of(view: MarketView, side: Side, price: Price, target: Price) -> Price | None:
    """The nearest price that goes before `price` and does not reach the other side, None where there is none."""
    assert view.bid is not None
    assert view.ask is not None
    if (target - price) * side.sign > 0:
        return target
    step = view.grid.up(price) if side is Side.BID else view.grid.down(price)
    return step if step is not None and view.bid[0] < step < view.ask[0] else None


def _faded(view: MarketView, params: MakerParams, side: Side, quantity: Quantity) -> Quote | None:
    """As many ticks back from one tick inside as the parameters say; None where the grid ends before.

    What the fill has left of an order steps back as it is, and grows again only when the fade is over.
    """
    steps = view.grid.index(_target(view, side)) - side.sign * params.fade_ticks
    if not 0 <= steps < len(view.grid):
        return None
    price = view.grid.prices[steps]
    own = view.own_bid if side is Side.BID else view.own_ask
    if own is None or not 0 < own[1] <= quantity:
        return Quote(side, price, quantity, QuoteReason.FADED)
    return Quote(side, price, own[1], QuoteReason.KEEP if own[0] == price else QuoteReason.FADED)


def _fades_until(view: MarketView, params: MakerParams, side: Side) -> int | None:
    """When the step back after this side's last fill ends, None when it is over or there was none."""
    filled_ms = view.bid_fill_ms if side is Side.BID else view.ask_fill_ms
    if not params.fade_ticks or filled_ms is None:
        return None
    until_ms = filled_ms + params.fade_after_fill_ms
    return until_ms if view.now_ms < until_ms else None


def _review_ms(view: MarketView, params: MakerParams) -> int | None:
    ends = [_fades_until(view, params, side) for side in Side]
    return min((end for end in ends if end is not None), default=None)


def _take(view: MarketView, params: MakerParams, side: Side) -> Quote | SkipReason:
    quantity = _quantity(view, params, side)
    if isinstance(quantity, SkipReason):
        return quantity
    quote = take(view, params, side, quantity)
    if isinstance(quote, SkipReason):
        return quote
    assert quote.bound is not None
    low, high = params.min_price, params.max_price
    if not low <= quote.price <= high:
        return SkipReason.OUTSIDE_PRICE_BAND
    return replace(quote, bound=min(max(quote.bound, low), high))


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
