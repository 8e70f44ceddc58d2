"""Reads for the liquidity metrics: exact totals per market, in one streamed pass per table.

Sums are made here and not by the database, because SQLite would add decimals as floats.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal

from apps.engine.types import TimeInForce
from apps.trading.models import Account, Fill, LiquidityInterval, Order

from .metrics import ZERO, LiquidityTotals

VOLUME_WINDOW = timedelta(days=30)
_MICROSECONDS = Decimal(1_000_000)
_CHUNK = 2_000


def _seconds(start: datetime, end: datetime) -> Decimal:
    return Decimal((end - start) // timedelta(microseconds=1)) / _MICROSECONDS


def _side_dollars(side: str, price: Decimal, contracts: Decimal) -> Decimal:
    return contracts * (price if side == "bid" else 1 - price)


def _add_orders(totals: dict[str, LiquidityTotals], account: Account, start: datetime, end: datetime) -> None:
    filled: dict[int, Decimal] = defaultdict(Decimal)
    rested = Order.objects.filter(
        account=account,
        accepted_at__gte=start,
        accepted_at__lt=end,
        time_in_force=TimeInForce.GOOD_TILL_CANCELED.value,
    )
    maker_fills = Fill.objects.filter(order__in=rested, is_taker=False, filled_at__lt=end)
    for order_id, contracts in maker_fills.values_list("order_id", "quantity").iterator(_CHUNK):
        filled[order_id] += contracts
    rows = rested.values_list("id", "market__ticker", "side", "price", "quantity").order_by()
    for order_id, ticker, side, price, contracts in rows.iterator(_CHUNK):
        row = totals[ticker]
        row.cohort_orders += 1
        row.cohort_contracts += contracts
        row.cohort_dollars += _side_dollars(side, price, contracts)
        row.cohort_orders_filled += order_id in filled
        row.cohort_contracts_filled += filled.get(order_id, ZERO)


def _add_intervals(totals: dict[str, LiquidityTotals], account: Account, start: datetime, end: datetime) -> None:
    rows = LiquidityInterval.objects.filter(
        session__account=account, started_at__lt=end, ended_at__gt=start
    ).values_list(
        "market__ticker", "started_at", "ended_at", "bid_dollars", "ask_dollars", "spread_with", "spread_without"
    )
    for ticker, started, ended, bids, asks, with_us, without_us in rows.order_by().iterator(_CHUNK):
        if not bids + asks:
            continue
        seconds = _seconds(max(started, start), min(ended, end))
        row = totals[ticker]
        row.quoted_seconds += seconds
        row.dollar_seconds += (bids + asks) * seconds
        if with_us is not None and without_us is not None:
            row.improvement_seconds += seconds
            row.improvement_dollar_seconds += (without_us - with_us) * seconds


def _add_fills(totals: dict[str, LiquidityTotals], account: Account, start: datetime, end: datetime) -> None:
    month_start = end - VOLUME_WINDOW
    rows = Fill.objects.filter(account=account, filled_at__gte=min(start, month_start), filled_at__lt=end).values_list(
        "market__ticker", "side", "price", "quantity", "fee", "is_taker", "filled_at"
    )
    for ticker, side, price, contracts, fee, is_taker, filled_at in rows.order_by().iterator(_CHUNK):
        row = totals[ticker]
        dollars = _side_dollars(side, price, contracts)
        if filled_at >= month_start:
            row.volume_30d_contracts += contracts
            row.volume_30d_dollars += dollars
        if filled_at >= start:
            row.volume_dollars += dollars
            row.fees += fee
            if is_taker:
                row.taker_contracts += contracts
            else:
                row.maker_contracts += contracts


def liquidity_totals(
    *, account: Account, window_start: datetime, window_end: datetime
) -> tuple[LiquidityTotals, dict[str, LiquidityTotals]]:
    """Totals of the account and of each of its markets by ticker, over [window_start, window_end)."""
    by_market: dict[str, LiquidityTotals] = defaultdict(LiquidityTotals)
    for add in (_add_orders, _add_intervals, _add_fills):
        add(by_market, account, window_start, window_end)
    whole = LiquidityTotals()
    for totals in by_market.values():
        whole.add(totals)
    return whole, dict(sorted(by_market.items()))
