"""Own cash and positions: every fill and settlement counted once, stored with what it did, its fee predicted."""

from __future__ import annotations

from dataclasses import replace

from apps.engine.decimals import format_money, price_to_decimal
from apps.engine.errors import EngineError
from apps.engine.ports import VenueSettlement
from apps.engine.types import ONE_DOLLAR, Fill, Money, Price, Ticker
from apps.governance.choices import Severity
from apps.trading.choices import EventSource
from apps.trading.services.ledger import FillRecord, SettlementRecord, fill_record, settlement_record

from .blotter import WorkingOrder
from .context import SessionContext
from .incidents import Incidents

RESULT_VALUE = {"yes": ONE_DOLLAR, "no": 0}
# The venue names what it paid in whole cents and less its fee; fractions of a contract pay fractions of a cent.
CENT: Money = 10_000


class Ledger:
    def __init__(self, context: SessionContext, incidents: Incidents) -> None:
        self._context = context
        self._incidents = incidents

    def apply_fill(self, fill: Fill, order: WorkingOrder | None, source: EventSource) -> bool:
        """Counts a fill and posts it; False if it was counted before or belongs to a market we do not know."""
        context = self._context
        market_pk = self._market_pk(fill.ticker)
        if market_pk is None:
            self._incidents.raise_event(
                "UNKNOWN_MARKET", Severity.CRITICAL, f"fill {fill.trade_id} in {fill.ticker}, not in the catalogue"
            )
            return False
        before = context.portfolio.cash
        if not context.portfolio.apply_fill(fill):
            return False
        context.last_activity_ms = context.last_money_ms = context.clock.now_ms()
        predicted = self._predict(fill, order)
        context.journal.post(
            fill_record,
            account_id=context.account.pk,
            record=FillRecord(
                fill=fill,
                market_id=market_pk,
                order_pk=None if order is None else order.pk,
                trade_cash=context.portfolio.cash - before + fill.fee,
                cash_after=context.portfolio.cash,
                position=replace(context.portfolio.position(fill.ticker)),
                predicted_fee=predicted,
                source=source,
                received_at=context.now(),
            ),
        )
        context.counters.fills += 1
        context.counters.contracts_filled += fill.quantity
        context.counters.fees += fill.fee
        context.recent_fills.appendleft(fill)
        context.watch.on_fill(fill, order, predicted)
        return True

    def apply_settlement(self, settlement: VenueSettlement) -> bool:
        """Settles our position as the venue did and says so when the money differs; False if done before."""
        context = self._context
        market_pk = self._market_pk(settlement.ticker)
        value = _settlement_value(settlement)
        if market_pk is None or value is None:
            self._incidents.raise_event(
                "SETTLEMENT_UNCLEAR", Severity.CRITICAL, f"settlement of {settlement.ticker} cannot be read",
                {"result": settlement.result},
            )  # fmt: skip
            return False
        position = context.portfolio.position(settlement.ticker)
        quantity = position.quantity
        if settlement.ticker not in context.portfolio.positions or context.portfolio.is_settled(settlement.ticker):
            return False
        proceeds = context.portfolio.settle(settlement.ticker, value, settlement.fee)
        context.last_activity_ms = context.last_money_ms = context.clock.now_ms()
        if abs(proceeds - settlement.revenue) >= CENT + settlement.fee:
            self._incidents.raise_event(
                "SETTLEMENT_DIFFERS", Severity.CRITICAL,
                f"{settlement.ticker} paid {format_money(settlement.revenue)}, our position is worth "
                f"{format_money(proceeds)}",
            )  # fmt: skip
        context.journal.post(
            settlement_record,
            account_id=context.account.pk,
            record=SettlementRecord(
                settlement=replace(settlement, revenue=proceeds),
                market_id=market_pk,
                value=price_to_decimal(value),
                quantity=quantity,
                cash_after=context.portfolio.cash,
                position=replace(context.portfolio.position(settlement.ticker)),
            ),
        )
        context.watch.on_settlement(settlement.ticker, position.realized_pnl - position.fees)
        return True

    def _market_pk(self, ticker: Ticker) -> int | None:
        return self._context.market_keys.get(ticker)

    def _predict(self, fill: Fill, order: WorkingOrder | None) -> Money | None:
        """Our own figure for the fee; a difference to the charged one is an event with both numbers."""
        if order is None:
            return None
        try:
            predicted = order.predict_fee(fill)
        except EngineError as error:
            self._incidents.raise_event("FEE_UNKNOWN", Severity.WARNING, f"no fee prediction: {error}")
            return None
        if predicted is not None and predicted != fill.fee:
            self._incidents.raise_event(
                "FEE_DIFFERS", Severity.WARNING,
                f"fill {fill.trade_id}: charged {format_money(fill.fee)}, predicted {format_money(predicted)}",
            )  # fmt: skip
        return predicted


def _settlement_value(settlement: VenueSettlement) -> Price | None:
    return settlement.value if settlement.value is not None else RESULT_VALUE.get(settlement.result)
