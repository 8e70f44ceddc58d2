"""What the parts of one trading session share. Only the session's event loop touches it."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from apps.engine.booksets import BookSet
from apps.engine.decimals import format_money, format_quantity
from apps.engine.intent_ids import intent_id
from apps.engine.limits import TradingState
from apps.engine.portfolio import Portfolio
from apps.engine.ports import Venue, VenueStatus
from apps.engine.slow_mid import SlowMid
from apps.engine.strategies.base import Decision
from apps.engine.types import Fill, Level, Money, Price, Quantity, Side, Ticker
from apps.gateway.clock import Clock
from apps.risk.selectors import strictest
from apps.trading.choices import SessionState
from apps.trading.mapping import from_ms
from apps.trading.models import Account, TradingSession

from .armed import ArmedMarket
from .blotter import Blotter, WorkingOrder
from .gate import Gate
from .journal import Journal
from .liquidity import LiquidityMeter
from .watch import Watch


@dataclass(slots=True)
class Shown:
    """The part of one of our orders that the public book shows, as far as the feed has told."""

    side: Side
    price: Price
    quantity: Quantity


@dataclass(slots=True)
class MarketDesk:
    """One market in the session's care.

    `bid`, `ask`: best levels of others at the last decision. `is_dirty`: inputs changed since then. `epoch`: the
    account-wide inputs it was made with. `wake_ms`: when something that had to wait is looked at again. `frame_s`:
    arrival (monotonic) of the frame that asked for a decision. `filled_ms`: last fill of a resting order, by side.
    `reference`: the market's slow middle. `is_retired`: out of scope, on its way out.
    """

    armed: ArmedMarket
    meter: LiquidityMeter
    shown: dict[tuple[str, Price], Shown] = field(default_factory=dict)
    book_at_ms: int | None = None
    shown_at_ms: int | None = None
    last_price: Price | None = None
    is_dirty: bool = True
    trigger: str = "timer"
    frame_s: float | None = None
    bid: Level | None = None
    ask: Level | None = None
    wake_ms: int | None = None
    epoch: int = -1
    decision: Decision | None = None
    decided_ms: int | None = None
    working: dict[Side, WorkingOrder] = field(default_factory=dict)
    filled_ms: dict[Side, int] = field(default_factory=dict)
    reference: SlowMid = field(default_factory=SlowMid)
    last_denial: tuple[str, int] | None = None
    not_before_ms: int = 0
    halted_by_exchange: str | None = None
    is_retired: bool = False

    @property
    def ticker(self) -> Ticker:
        return self.armed.ticker

    def own_shown(self) -> dict[tuple[Side, Price], Quantity]:
        """Our size by side and price as the public book shows it."""
        sizes: dict[tuple[Side, Price], Quantity] = {}
        for shown in self.shown.values():
            if shown.quantity > 0:
                key = (shown.side, shown.price)
                sizes[key] = sizes.get(key, 0) + shown.quantity
        return sizes


@dataclass(slots=True)
class Counters:
    """What a session did, for its row, the page and the summary of a run."""

    markets: int = 0
    frames: int = 0
    seq_gaps: int = 0
    refused_frames: int = 0
    unknown_messages: int = 0
    decisions: int = 0
    orders: int = 0
    denied: int = 0
    held: int = 0
    rejected: int = 0
    canceled: int = 0
    fills: int = 0
    contracts_filled: Quantity = 0
    fees: Money = 0
    reconciliations: int = 0
    reconnects: int = 0
    errors: int = 0

    def as_json(self) -> dict[str, int | str]:
        shown: dict[str, int | str] = {name: getattr(self, name) for name in self.__slots__}
        shown["contracts_filled"] = format_quantity(self.contracts_filled)
        shown["fees"] = format_money(self.fees)
        return shown


@dataclass(slots=True)
class SessionContext:
    """Shared state; `state` and `reason` are what the page shows."""

    account: Account
    session: TradingSession
    clock: Clock
    venue: Venue
    journal: Journal
    gate: Gate
    books: BookSet
    portfolio: Portfolio
    blotter: Blotter = field(default_factory=Blotter)
    desks: dict[Ticker, MarketDesk] = field(default_factory=dict)
    counters: Counters = field(default_factory=Counters)
    state: SessionState = SessionState.STARTING
    reason: str = ""
    opening_cash: Money | None = None
    venue_cash: Money | None = None
    venue_cash_ms: int | None = None
    cash_drift: Money | None = None
    last_frame_ms: int | None = None
    feed_reason: str = "not connected yet"
    connected_ms: int | None = None
    last_activity_ms: int = 0
    last_money_ms: int = 0
    epoch: int = 0
    unseen_since_s: int = 0
    market_keys: dict[Ticker, int] = field(default_factory=dict)
    recent_fills: deque[Fill] = field(default_factory=lambda: deque(maxlen=20))
    frame_to_send_us: deque[int] = field(default_factory=lambda: deque(maxlen=20_000))
    exchange: VenueStatus | None = None
    guardian_age_ms: int | None = None
    stops: Mapping[tuple[str, str], TradingState] = field(default_factory=dict)
    intents: int = 0
    watch: Watch = field(default_factory=Watch)

    def trading_state(self, desk: MarketDesk) -> TradingState:
        """The strictest state of everything the market belongs to, as the newest look at the stops has it."""
        state = strictest((self.gate.state, desk.armed.state))
        if self.stops:
            found = (self.stops.get((node.level.value, node.id)) for node in desk.armed.path)
            state = strictest((state, *(s for s in found if s is not None)))
        return state

    def closed_because(self, desk: MarketDesk | None) -> str | None:
        """Why nothing may be sent to a market now, or None."""
        closed = self.gate.closed_because()
        if closed is None and desk is not None and self.trading_state(desk) is TradingState.HALTED:
            return f"trading is halted for {desk.ticker}"
        return closed

    def next_intent_id(self) -> str:
        """The id of the next order of this session; the fencing token keeps it apart from every other session's."""
        self.intents += 1
        return intent_id(self.account.order_key, self.session.fencing_token, self.intents)

    def now(self) -> datetime:
        return from_ms(self.clock.now_ms())

    @property
    def feed_age_ms(self) -> int | None:
        """Silence of the connection (pings count), None while there is none."""
        return None if self.last_frame_ms is None else max(0, self.clock.now_ms() - self.last_frame_ms)
