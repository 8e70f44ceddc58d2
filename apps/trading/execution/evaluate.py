"""From a book to a decision: builds the strategy's view, asks its kernel, keeps the record of why."""

from __future__ import annotations

from dataclasses import dataclass, replace

from apps.engine.limits import TradingState
from apps.engine.strategies.base import Decision, MarketView, SkipReason, skip
from apps.engine.types import Level, Quantity, Side
from apps.trading.mapping import from_ms
from apps.trading.services.orders import DecisionRecord, decisions_store

from .context import MarketDesk, SessionContext

SHARE_MS = 100
OPEN_STATUS = "active"


@dataclass(slots=True)
class _Pending:
    record: DecisionRecord
    started_ms: int


class Evaluator:
    """Decides and records. Decisions with the same outcome within a tenth of a second share a record."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._pending: dict[str, _Pending] = {}
        self._finished: list[DecisionRecord] = []

    def decide(self, desk: MarketDesk) -> tuple[Decision, DecisionRecord]:
        """One evaluation; the record is the one that holds it, possibly shared with the one before."""
        context = self._context
        now_ms = context.clock.now_ms()
        view = self._view(desk, now_ms)
        if desk.armed.problem is not None or view is None:
            decision = skip(SkipReason.PARAMS_MISSING)
        else:
            decision = desk.armed.armed.decide(view, desk.armed.armed.params)
        desk.decision, desk.decided_ms, desk.is_dirty, desk.epoch = decision, now_ms, False, context.epoch
        context.counters.decisions += 1
        return decision, self._note(desk, decision, view, now_ms)

    def due(self, now_ms: int) -> list[MarketDesk]:
        """Markets to decide afresh at a tick of the timer.

        For the others nothing the kernel sees has changed, and it is a pure function: the last decision is made
        again by leaving it, and counted.
        """
        context, due, repeated = self._context, [], 0
        for desk in context.desks.values():
            if desk.is_dirty or desk.epoch != context.epoch or (desk.wake_ms is not None and now_ms >= desk.wake_ms):
                due.append(desk)
            elif desk.decided_ms is None or now_ms - desk.decided_ms >= SHARE_MS:
                desk.decided_ms = now_ms
                repeated += 1
        context.counters.decisions += repeated
        return due

    def take(self, desk: MarketDesk, record: DecisionRecord) -> DecisionRecord:
        """Hands the record over to an intent that stores it itself, so that it is not stored twice."""
        pending = self._pending.get(desk.ticker)
        if pending is not None and pending.record is record:
            del self._pending[desk.ticker]
        return record

    def flush(self, *, everything: bool = False) -> None:
        """Posts finished records; a record still open to sharing waits unless `everything`."""
        now_ms = self._context.clock.now_ms()
        for ticker, pending in list(self._pending.items()):
            if everything or now_ms - pending.started_ms >= SHARE_MS:
                self._finished.append(pending.record)
                del self._pending[ticker]
        for record in self._finished:
            self._context.journal.collect(decisions_store, (self._context.session.pk, record))
        self._finished = []

    def _view(self, desk: MarketDesk, now_ms: int) -> MarketView | None:
        context, armed = self._context, desk.armed
        if armed.grid is None:
            return None
        desk.bid, desk.ask = self._tops(desk)
        state = context.trading_state(desk)
        if context.gate.closed_because() is not None:
            state = TradingState.HALTED
        return MarketView(
            ticker=desk.ticker,
            grid=armed.grid,
            bid=desk.bid,
            ask=desk.ask,
            own_bid=_own_level(desk, Side.BID),
            own_ask=_own_level(desk, Side.ASK),
            position=context.portfolio.position(desk.ticker).quantity + context.blotter.unseen_position(desk.ticker),
            now_ms=now_ms,
            is_open=armed.status == OPEN_STATUS
            and now_ms < armed.close_at_ms
            and desk.halted_by_exchange is None
            and not desk.is_retired,
            trading_state=state,
            book_problem=context.books.unquotable_reason(desk.ticker),
            feed_age_ms=context.feed_age_ms,
            own_bid_queue=_own_queue(desk, Side.BID),
            own_ask_queue=_own_queue(desk, Side.ASK),
            bid_fill_ms=desk.filled_ms.get(Side.BID),
            ask_fill_ms=desk.filled_ms.get(Side.ASK),
            reference=desk.reference.observe(desk.bid, desk.ask, now_ms, armed.armed.params.reference_ms),
            fee_rule=armed.fee_rule,
        )

    def _tops(self, desk: MarketDesk) -> tuple[Level | None, Level | None]:
        book = self._context.books.book(desk.ticker)
        if book is None or not book.is_quotable:
            return None, None
        return book.top_without(desk.own_shown())

    def _note(self, desk: MarketDesk, decision: Decision, view: MarketView | None, now_ms: int) -> DecisionRecord:
        record = _record(desk, decision, view, now_ms)
        pending = self._pending.get(desk.ticker)
        if pending is not None:
            if _outcome(pending.record) == _outcome(record) and now_ms - pending.started_ms < SHARE_MS:
                record = replace(record, evaluations=pending.record.evaluations + 1)
                pending.record = record
                return record
            self._finished.append(pending.record)
        self._pending[desk.ticker] = _Pending(record, now_ms)
        return record


def _own_level(desk: MarketDesk, side: Side) -> Level | None:
    order = desk.working.get(side)
    return (order.tracked.price, order.tracked.remaining) if order is not None else None


def _own_queue(desk: MarketDesk, side: Side) -> Quantity | None:
    order = desk.working.get(side)
    return None if order is None else order.queue_ahead


def _outcome(r: DecisionRecord) -> tuple[object, ...]:
    return (r.parameters_id, r.reason, r.bid_reason, r.ask_reason, r.bid, r.ask)


def _record(desk: MarketDesk, decision: Decision, view: MarketView | None, now_ms: int) -> DecisionRecord:
    bid, ask = (view.bid, view.ask) if view is not None else (None, None)
    return DecisionRecord(
        config_id=desk.armed.armed.config_id,
        parameters_id=desk.armed.armed.parameters_id,
        market_id=desk.armed.pk,
        at=from_ms(now_ms),
        trigger=desk.trigger,
        best_bid=bid[0] if bid else None,
        best_ask=ask[0] if ask else None,
        best_bid_size=bid[1] if bid else None,
        best_ask_size=ask[1] if ask else None,
        position=view.position or 0 if view is not None else 0,
        reason=decision.reason.value,
        bid_reason=decision.bid_reason.value,
        ask_reason=decision.ask_reason.value,
        bid=(decision.bid.price, decision.bid.quantity) if decision.bid else None,
        ask=(decision.ask.price, decision.ask.quantity) if decision.ask else None,
    )
