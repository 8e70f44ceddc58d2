"""What mission control shows, as plain values. Templates get these and nothing they could query with.

Prices are dollars of the YES leg, quantities contracts, money dollars. None means "not known", never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from apps.trading.selectors import FillRow, OrderRow, PositionRow

from .decisions import DecisionGroup

LIVE_BOUND_S = 5
"""The session writes about four times a second; older than this is stale."""
COMPARED_BOUND_S = 180
STORED_BOOK_BOUND_S = 120
FEED_BOUND_S = 15


@dataclass(frozen=True, slots=True)
class Quote:
    price: Decimal
    remaining: Decimal


@dataclass(frozen=True, slots=True)
class SessionTile:
    state: str
    reason: str
    at: datetime | None
    started_at: datetime | None = None
    token: int | None = None
    counters: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TradingTile:
    """`state` is the strictest of what the database says and what the session says."""

    state: str
    reason: str
    at: datetime | None
    by: str = ""
    scope: str = ""


@dataclass(frozen=True, slots=True)
class FeedTile:
    state: str
    reason: str
    last_frame_at: datetime | None
    reconnects: int | None = None
    sequence_gaps: int | None = None
    refused_frames: int | None = None
    bound_s: int = FEED_BOUND_S


@dataclass(frozen=True, slots=True)
class CashTile:
    own: Decimal | None
    at: datetime | None
    venue: Decimal | None
    venue_at: datetime | None
    drift: Decimal | None
    opening: Decimal | None
    bound_s: int | None = LIVE_BOUND_S


@dataclass(frozen=True, slots=True)
class PnlTile:
    """`realized` and `unrealized` are before fees; `net` is None while any part is unknown."""

    realized: Decimal | None
    unrealized: Decimal | None
    fees: Decimal | None
    exposure: Decimal | None
    at: datetime | None
    bound_s: int | None = LIVE_BOUND_S

    @property
    def net(self) -> Decimal | None:
        if self.realized is None or self.unrealized is None or self.fees is None:
            return None
        return self.realized + self.unrealized - self.fees


@dataclass(frozen=True, slots=True)
class GateTile:
    """Whether the session may send anything now; `is_open` None when nobody tells. `reasons` are plain words."""

    is_open: bool | None
    reasons: tuple[str, ...]
    at: datetime | None


@dataclass(frozen=True, slots=True)
class ExchangeTile:
    """`state`: open, paused, no trading, or unknown."""

    state: str
    text: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class SwitchesTile:
    """`not_ok` are (key, state) of every switch that is not ok; `silent` says that the newest verdict is too old."""

    total: int
    not_ok: tuple[tuple[str, str], ...]
    at: datetime | None
    is_silent: bool


@dataclass(frozen=True, slots=True)
class GuardianTile:
    """`state`: alive, late or off."""

    state: str
    at: datetime | None

    @property
    def is_alive(self) -> bool:
        return self.state == "alive"


@dataclass(frozen=True, slots=True)
class MarketRow:
    ticker: str
    title: str
    status: str
    best_bid: Decimal | None
    best_ask: Decimal | None
    bid_size: Decimal | None
    ask_size: Decimal | None
    spread: Decimal | None
    last_price: Decimal | None
    is_quotable: bool
    unquotable_reason: str
    book_at: datetime | None
    position: Decimal | None
    own_bid: Quote | None
    own_ask: Quote | None
    reason: str
    bid_reason: str
    ask_reason: str
    decided_at: datetime | None
    close_at: datetime | None

    @property
    def has_interest(self) -> bool:
        return bool(self.own_bid or self.own_ask or self.position)


@dataclass(frozen=True, slots=True)
class LadderRow:
    """One price. `share` is the size against the largest on the screen, in twentieths, at least 1 where any rests."""

    price: Decimal
    side: str
    size: Decimal
    own: Decimal
    share: int
    is_best: bool


@dataclass(frozen=True, slots=True)
class Ladder:
    """`at` is when the book last changed, `seen_at` when it was last known to be so; only the second can go stale."""

    ticker: str
    title: str
    at: datetime | None
    seen_at: datetime | None
    asks: tuple[LadderRow, ...]
    bids: tuple[LadderRow, ...]
    spread: Decimal | None
    problem: str
    bound_s: int


@dataclass(frozen=True, slots=True)
class LiveState:
    """The part that changes several times a second: from the session, or from the database when it is silent."""

    source: str
    notice: str
    at: datetime | None
    environment: str
    account: str
    session: SessionTile
    trading: TradingTile
    feed: FeedTile
    cash: CashTile
    pnl: PnlTile
    markets: tuple[MarketRow, ...]
    markets_total: int
    orders: tuple[OrderRow, ...]
    fills: tuple[FillRow, ...]
    gate: GateTile
    exchange: ExchangeTile
    guardian_at: datetime | None = None

    @property
    def is_live(self) -> bool:
        return self.source == "live"


@dataclass(frozen=True, slots=True)
class EventLine:
    code: str
    severity: str
    message: str
    at: datetime


@dataclass(frozen=True, slots=True)
class KillLine:
    key: int
    at: datetime
    is_running: bool
    outcome: str


@dataclass(frozen=True, slots=True)
class Facts:
    """The part that is read from the database at a slower pace."""

    read_at: datetime
    restriction: TradingTile | None
    approvals_open: int
    events: tuple[EventLine, ...]
    kill: KillLine | None
    positions: tuple[PositionRow, ...]
    decisions: tuple[DecisionGroup, ...]
    switches: SwitchesTile


@dataclass(frozen=True, slots=True)
class Mission:
    now: datetime
    live: LiveState
    facts: Facts
    trading: TradingTile
    markets: tuple[MarketRow, ...]
    markets_total: int
    ladder: Ladder | None
    selected: str
    query: str
    guardian: GuardianTile

    @property
    def summary(self) -> str:
        """One sentence for screen readers; changes only when something they must hear changes."""
        live = self.live
        return f"Session {live.session.state}, trading {self.trading.state}, feed {live.feed.state}."
