"""Net asset value with its day and its peak: the inputs of K1, K4 and K14."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from apps.engine.drawdown import DrawdownLadder, DrawdownStage
from apps.engine.errors import EngineError
from apps.engine.portfolio import Position
from apps.engine.switches.money import DailyLossInputs, DrawdownInputs, DrawdownThresholds, FloorInputs
from apps.engine.types import ONE_DOLLAR, Fill, Money, Price, Ticker
from apps.risk.services.switches import NavRecord

from .context import SessionContext

STORE_EVERY_MS = 10_000


@dataclass(frozen=True, slots=True)
class DayStart:
    """When a trading day begins: an hour in a time zone. The exchange's day is New York's."""

    zone: str = "America/New_York"
    hour: int = 0

    def day_of(self, now_ms: int) -> date:
        moment = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(self.zone))
        return (moment - timedelta(hours=self.hour)).date()


@dataclass(frozen=True, slots=True)
class Mark:
    """What others last paid for YES (`bid`) and asked for it (`ask`); a side without orders is worth nothing to us."""

    bid: Price
    ask: Price
    at_ms: int


class NavTracker:
    """Marks positions at what others would pay now; the last mark of a book that cannot be trusted ages.

    A position without any mark leaves NAV unknown: no number is put in its place. Markets that have closed keep their
    last mark until they settle.
    """

    def __init__(self, context: SessionContext, day_start: DayStart) -> None:
        self._context = context
        self._day_start = day_start
        self._marks: dict[Ticker, Mark] = {}
        self._record: NavRecord | None = None
        self._stored_ms = 0
        self._is_loaded = False
        self.nav: Money | None = None
        self.at_ms: int | None = None
        self.problem = "not valued yet"
        self.ladder: DrawdownLadder | None = None

    def load(self, record: NavRecord | None, marks: Mapping[Ticker, Mark]) -> None:
        """What the database knows from before: the newest day, and the newest stored book of each open position."""
        self._record, self._is_loaded = record, True
        self._marks = dict(marks) | self._marks
        if record is not None and record.high_water > 0:
            self.ladder = DrawdownLadder(record.high_water, _stage(record.stage))

    def note_fill(self, fill: Fill) -> None:
        """A market may close before its book was looked at with a position in it: then what was paid is its price."""
        self._marks.setdefault(fill.ticker, Mark(fill.price, fill.price, fill.ts_ms))

    def update(self, thresholds: DrawdownThresholds, now_ms: int) -> None:
        """Values everything and carries day and ladder on; not before it is known what they were."""
        if not self._is_loaded:
            return
        self.nav, self.at_ms = self._value(now_ms)
        if self.nav is None:
            return
        put_in = self._context.portfolio.cash_put_in
        self._roll(self._day_start.day_of(now_ms), put_in)
        assert self._record is not None
        self._climb(put_in, thresholds)
        self._record = replace(
            self._record,
            nav=self.nav,
            put_in=put_in,
            high_water=self._record.high_water if self.ladder is None else self.ladder.high_water,
            stage=(DrawdownStage.FULL if self.ladder is None else self.ladder.stage).value,
        )

    def daily_loss(self) -> DailyLossInputs:
        record = self._record
        if record is None:
            return DailyLossInputs(at_ms=self.at_ms, opening_nav=None, nav=self.nav, put_in=None)
        put_in = record.put_in - record.opening_put_in
        return DailyLossInputs(at_ms=self.at_ms, opening_nav=record.opening_nav, nav=self.nav, put_in=put_in)

    def drawdown(self) -> DrawdownInputs:
        ladder = self.ladder
        high_water, stage = (None, None) if ladder is None else (ladder.high_water, ladder.stage.value)
        return DrawdownInputs(at_ms=self.at_ms, high_water=high_water, stage=stage, nav=self.nav)

    def floor(self) -> FloorInputs:
        return FloorInputs(at_ms=self.at_ms, nav=self.nav)

    def rebase(self) -> None:
        """People have resumed after a draw-down: it is measured from here on."""
        if self.ladder is not None and self.nav is not None and self.nav > 0:
            self.ladder = self.ladder.rebase(self.nav)

    def forget_ladder(self) -> None:
        """The same, before anything was valued: the peak is taken from the first value."""
        self.ladder = None

    def due_record(self, now_ms: int) -> NavRecord | None:
        """What is to be stored now, at most every ten seconds."""
        if self._record is None or self.nav is None or now_ms - self._stored_ms < STORE_EVERY_MS:
            return None
        self._stored_ms = now_ms
        return self._record

    def _roll(self, day: date, put_in: Money) -> None:
        """A new day opens with the last value of the one before, however long ago that was."""
        record = self._record
        assert self.nav is not None
        if record is None:
            self._record = NavRecord(day, self.nav, put_in, max(self.nav, 0), DrawdownStage.FULL, self.nav, put_in)
        elif record.day != day:
            self._record = replace(record, day=day, opening_nav=record.nav, opening_put_in=record.put_in)

    def _climb(self, put_in: Money, thresholds: DrawdownThresholds) -> None:
        assert self._record is not None
        assert self.nav is not None
        try:
            ladder = self.ladder or DrawdownLadder(self.nav)
            ladder = replace(ladder, rules=thresholds.rules).moved(put_in - self._record.put_in)
            self.ladder = ladder.after(self.nav)
        except EngineError as error:
            # The peak is kept: K4 says itself what is wrong with its rungs.
            self.problem = str(error)

    def _value(self, now_ms: int) -> tuple[Money | None, int | None]:
        """NAV and the time of its oldest live mark; None and why in `problem` while it cannot be known."""
        context, oldest_ms = self._context, now_ms
        value = context.portfolio.cash
        for ticker, position in context.portfolio.positions.items():
            if position.quantity == 0:
                self._marks.pop(ticker, None)
                continue
            mark = self._mark(ticker, now_ms)
            if mark is None:
                self.problem = f"no price is known for the position in {ticker}"
                return None, None
            value += _worth(position, mark)
            oldest_ms = min(oldest_ms, mark.at_ms)
        return value, oldest_ms

    def _mark(self, ticker: Ticker, now_ms: int) -> Mark | None:
        context = self._context
        desk, book = context.desks.get(ticker), context.books.book(ticker)
        if desk is None or now_ms >= desk.armed.close_at_ms or desk.halted_by_exchange is not None:
            last = self._marks.get(ticker)
            return None if last is None else replace(last, at_ms=now_ms)
        if book is not None and book.is_quotable:
            bid, ask = book.top_without(desk.own_shown())
            if bid is not None or ask is not None or ticker not in self._marks:
                self._marks[ticker] = Mark(bid[0] if bid else 0, ask[0] if ask else ONE_DOLLAR, now_ms)
            else:
                self._marks[ticker] = replace(self._marks[ticker], at_ms=now_ms)
        return self._marks.get(ticker)


def _worth(position: Position, mark: Mark) -> Money:
    return position.value_at(mark.bid if position.quantity > 0 else mark.ask)


def _stage(text: str) -> DrawdownStage:
    """A stored rung; one that is not known is the strictest."""
    try:
        return DrawdownStage(text)
    except ValueError:
        return DrawdownStage.HALT
