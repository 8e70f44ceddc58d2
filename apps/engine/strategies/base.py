"""What every strategy is made of: a view of one market in, a decision with its reasons out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from apps.engine.grid import PriceGrid
from apps.engine.limits import TradingState
from apps.engine.types import Level, Price, Quantity, Side, Ticker


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


class QuoteReason(StrEnum):
    """Why a side is quoted: a price inside the spread to take up, or our resting order left where it is."""

    JOINED_INSIDE = "joined_inside"
    KEEP = "keep"


Reason: TypeAlias = SkipReason | QuoteReason


@dataclass(frozen=True, slots=True)
class MarketView:
    """One market at one moment. None means not known, and leads to a skip.

    `bid` and `ask` are the best levels of others, our own orders taken out (`Book.top_without`); `own_bid` and
    `own_ask` are price and remaining quantity of our resting order of that side. `position` is signed.
    `book_problem` is the book's `unquotable_reason`; `feed_age_ms` is the time since the feed last gave a sign
    of life; `now_ms` is Unix milliseconds.
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


@dataclass(frozen=True, slots=True)
class Quote:
    """A wanted resting order, post-only. With `KEEP` the order that rests now is the wanted one."""

    side: Side
    price: Price
    quantity: Quantity
    reason: QuoteReason


@dataclass(frozen=True, slots=True)
class Decision:
    """What should rest now: None on a side means nothing of ours should rest there, and its reason says why.

    `reason` sums up: `joined_inside` if a side is to be placed or moved, `keep` if what rests stays, else why
    neither side is quoted.
    """

    bid: Quote | None
    ask: Quote | None
    bid_reason: Reason
    ask_reason: Reason
    reason: Reason

    @property
    def is_quoting(self) -> bool:
        return self.bid is not None or self.ask is not None


def skip(reason: SkipReason) -> Decision:
    """Nothing on either side, for one reason."""
    return Decision(None, None, reason, reason, reason)


def combine(bid: Quote | SkipReason, ask: Quote | SkipReason) -> Decision:
    """A decision from what each side came to."""
    bid_reason: Reason = bid.reason if isinstance(bid, Quote) else bid
    ask_reason: Reason = ask.reason if isinstance(ask, Quote) else ask
    quoted = [q for q in (bid, ask) if isinstance(q, Quote)]
    if not quoted:
        reason: Reason = ask_reason if bid_reason is SkipReason.SIDE_OFF else bid_reason
    elif any(q.reason is QuoteReason.JOINED_INSIDE for q in quoted):
        reason = QuoteReason.JOINED_INSIDE
    else:
        reason = QuoteReason.KEEP
    return Decision(
        bid if isinstance(bid, Quote) else None,
        ask if isinstance(ask, Quote) else None,
        bid_reason,
        ask_reason,
        reason,
    )
