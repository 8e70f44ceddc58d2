"""What every strategy is made of: a view of one market in, a decision with its reasons out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from apps.engine.fees import FeeRule
from apps.engine.grid import PriceGrid
from apps.engine.limits import TradingState
from apps.engine.rollout import Style
from apps.engine.types import Level, Price, Quantity, Side, Ticker, TimeInForce


class SkipReason(StrEnum):
    """Why nothing is quoted. A fixed list: stored with each decision and counted by it."""

    PARAMS_MISSING = "params_missing"
    TRADING_STATE = "trading_state"
    MARKET_NOT_OPEN = "market_not_open"
    FEED_STALE = "feed_stale"
    BOOK_UNQUOTABLE = "book_unquotable"
    POSITION_UNKNOWN = "position_unknown"
    NO_BID = "no_bid"
    NO_ASK = "no_ask"
    WOULD_CROSS = "would_cross"
    SPREAD_BELOW_MINIMUM = "spread_below_minimum"
    NO_PRICE_INSIDE = "no_price_inside"
    ONE_PRICE_INSIDE = "one_price_inside"
    OUTSIDE_PRICE_BAND = "outside_price_band"
    POSITION_AT_MAXIMUM = "position_at_maximum"
    SIDE_OFF = "side_off"
    NO_PRICE_TO_FADE_TO = "no_price_to_fade_to"
    REFERENCE_UNKNOWN = "reference_unknown"
    FEE_UNKNOWN = "fee_unknown"
    EDGE_BELOW_MINIMUM = "edge_below_minimum"


class QuoteReason(StrEnum):
    """Why a side is quoted.

    joined_inside: a price inside the spread to take up. keep: our resting order left where it is. faded: stepped
    back after a fill. requeued: moved because too much stood ahead of it. take: meets what rests on the other side.
    """

    JOINED_INSIDE = "joined_inside"
    KEEP = "keep"
    FADED = "faded"
    REQUEUED = "requeued"
    TAKE = "take"


Reason: TypeAlias = SkipReason | QuoteReason


@dataclass(frozen=True, slots=True)
class MarketView:
    """One market at one moment. None means not known, and leads to a skip.

    `bid` and `ask` are the best levels of others, our own orders taken out (`Book.top_without`); `own_bid` and
    `own_ask` are price and remaining quantity of our resting order of that side. `position` is signed.
    `book_problem` is the book's `unquotable_reason`; `feed_age_ms` is the time since the feed last gave a sign
    of life; `now_ms` is Unix milliseconds.

    `own_bid_queue`, `own_ask_queue`: contracts ahead of our resting order. `bid_fill_ms`, `ask_fill_ms`: when our
    order of that side was last filled, Unix milliseconds, None for never. `reference`: what YES is worth by the
    strategy's own yardstick (`engine.slow_mid`). `fee_rule`: the market's fees.
    """

    ticker: Ticker
    grid: PriceGrid
    bid: Level | None
    ask: Level | None
    own_bid: Level | None
    own_ask: Level | None
    position: Quantity | None
    now_ms: int
    is_open: bool = True
    trading_state: TradingState | None = TradingState.ACTIVE
    book_problem: str | None = None
    feed_age_ms: int | None = 0
    own_bid_queue: Quantity | None = None
    own_ask_queue: Quantity | None = None
    bid_fill_ms: int | None = None
    ask_fill_ms: int | None = None
    reference: Price | None = None
    fee_rule: FeeRule | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """A wanted order. With `KEEP` the order that rests now is the wanted one.

    A maker's rests, post-only, at `price`. A taker's meets what rests on the other side at once: `price` is the best
    price it was decided on, `bound` the worst it may still go to.
    """

    side: Side
    price: Price
    quantity: Quantity
    reason: QuoteReason
    style: Style = Style.MAKER
    bound: Price | None = None
    time_in_force: TimeInForce = TimeInForce.GOOD_TILL_CANCELED


@dataclass(frozen=True, slots=True)
class Decision:
    """What should rest now: None on a side means nothing of ours should rest there, and its reason says why.

    `reason` sums up: why a side is to be placed or moved, `keep` if what rests stays, else why neither side is
    quoted. `review_ms` (Unix milliseconds): when the same inputs may lead to another decision by time alone.
    """

    bid: Quote | None
    ask: Quote | None
    bid_reason: Reason
    ask_reason: Reason
    reason: Reason
    review_ms: int | None = None

    @property
    def is_quoting(self) -> bool:
        return self.bid is not None or self.ask is not None

    @property
    def resting(self) -> Decision:
        """The same without taking orders: what should rest."""
        if not self.taking:
            return self
        bid = None if self.bid in self.taking else self.bid
        return replace(self, bid=bid, ask=None if self.ask in self.taking else self.ask)

    @property
    def taking(self) -> tuple[Quote, ...]:
        """The taking orders it wants."""
        return tuple(q for q in (self.bid, self.ask) if q is not None and q.style is Style.TAKER)


def skip(reason: SkipReason) -> Decision:
    """Nothing on either side, for one reason."""
    return Decision(None, None, reason, reason, reason)


def combine(bid: Quote | SkipReason, ask: Quote | SkipReason, review_ms: int | None = None) -> Decision:
    """A decision from what each side came to."""
    bid_reason: Reason = bid.reason if isinstance(bid, Quote) else bid
    ask_reason: Reason = ask.reason if isinstance(ask, Quote) else ask
    quoted = [q.reason for q in (bid, ask) if isinstance(q, Quote)]
    if quoted:
        reason: Reason = next((r for r in quoted if r is not QuoteReason.KEEP), QuoteReason.KEEP)
    else:
        reason = ask_reason if bid_reason is SkipReason.SIDE_OFF else bid_reason
    return Decision(
        bid if isinstance(bid, Quote) else None,
        ask if isinstance(ask, Quote) else None,
        bid_reason,
        ask_reason,
        reason,
        review_ms,
    )
