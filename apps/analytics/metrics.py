"""The liquidity metrics: what each one means, and its arithmetic over plain totals.

Pure: the totals come in as exact decimals, nothing here reads the database or a clock. A metric that is not defined
for the window (a ratio over nothing) has the value None and a reason, never 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from decimal import ROUND_HALF_EVEN, Decimal

SCHEMA_VERSION = "liquidity/1"
RATIO_PLACES = Decimal("0.000001")
ZERO = Decimal(0)


@dataclass(slots=True)
class LiquidityTotals:
    """Sums over one window, of one market or of a whole account.

    Contracts are contracts, dollars are dollars, seconds are seconds; all exact. `cohort` means the orders that came
    to rest inside the window.
    """

    cohort_orders: int = 0
    cohort_contracts: Decimal = ZERO
    cohort_dollars: Decimal = ZERO
    cohort_orders_filled: int = 0
    cohort_contracts_filled: Decimal = ZERO
    dollar_seconds: Decimal = ZERO
    quoted_seconds: Decimal = ZERO
    improvement_dollar_seconds: Decimal = ZERO
    improvement_seconds: Decimal = ZERO
    maker_contracts: Decimal = ZERO
    taker_contracts: Decimal = ZERO
    volume_dollars: Decimal = ZERO
    fees: Decimal = ZERO
    volume_30d_contracts: Decimal = ZERO
    volume_30d_dollars: Decimal = ZERO

    def add(self, other: LiquidityTotals) -> None:
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


@dataclass(frozen=True, slots=True)
class MetricValue:
    """`value` is None exactly when `reason` says why it is undefined."""

    value: Decimal | int | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the export. `window` is "export" for the asked window, "30d" for the 30 days before its end."""

    name: str
    unit: str
    definition: str
    compute: Callable[[LiquidityTotals], MetricValue]
    window: str = "export"


def _plain(name: str) -> Callable[[LiquidityTotals], MetricValue]:
    return lambda totals: MetricValue(getattr(totals, name))


def _ratio(
    numerator: Callable[[LiquidityTotals], Decimal | int],
    denominator: Callable[[LiquidityTotals], Decimal | int],
    undefined: str,
) -> Callable[[LiquidityTotals], MetricValue]:
    def compute(totals: LiquidityTotals) -> MetricValue:
        below = Decimal(denominator(totals))
        if not below:
            return MetricValue(None, undefined)
        return MetricValue((Decimal(numerator(totals)) / below).quantize(RATIO_PLACES, ROUND_HALF_EVEN))

    return compute


_ROUNDED = " Rounded half-even to 6 decimals."
_RESTED = "Orders of the account that the exchange accepted inside the window and that may rest (good till canceled)"

METRICS: tuple[Metric, ...] = (
    Metric("resting_orders_placed", "orders", f"{_RESTED}.", _plain("cohort_orders")),
    Metric("resting_contracts_placed", "contracts", f"{_RESTED}: sum of their contracts.", _plain("cohort_contracts")),
    Metric(
        "liquidity_provided",
        "dollars",
        f"{_RESTED}: sum of contracts x price for bids and contracts x (1 - price) for asks.",
        _plain("cohort_dollars"),
    ),
    Metric(
        "liquidity_dollar_seconds",
        "dollar-seconds",
        "Sum over time of the dollars resting in the book (price x contracts for bids, (1 - price) x contracts for "
        "asks); stretches of time are clipped to the window.",
        _plain("dollar_seconds"),
    ),
    Metric(
        "quoted_seconds",
        "market-seconds",
        "Time with at least one own order resting, summed over markets, clipped to the window.",
        _plain("quoted_seconds"),
    ),
    Metric(
        "average_resting_liquidity",
        "dollars",
        "liquidity_dollar_seconds / quoted_seconds." + _ROUNDED,
        _ratio(lambda t: t.dollar_seconds, lambda t: t.quoted_seconds, "no own order rested in the window"),
    ),
    Metric(
        "average_spread_improvement",
        "cents",
        "Time-weighted mean of (spread of the book without our orders - spread of the book with them), over the time "
        "an own order rested and both spreads existed, clipped to the window." + _ROUNDED,
        _ratio(
            lambda t: t.improvement_dollar_seconds * 100,
            lambda t: t.improvement_seconds,
            "no time in the window with an own order resting and both sides of the book present without it",
        ),
    ),
    Metric(
        "spread_measured_seconds",
        "market-seconds",
        "Time over which average_spread_improvement is measured.",
        _plain("improvement_seconds"),
    ),
    Metric(
        "maker_fill_rate_orders",
        "ratio",
        "Of resting_orders_placed, the share with at least one maker fill before the window's end." + _ROUNDED,
        _ratio(lambda t: t.cohort_orders_filled, lambda t: t.cohort_orders, "no resting order placed in the window"),
    ),
    Metric(
        "maker_fill_rate_contracts",
        "ratio",
        "Of resting_contracts_placed, the share filled as maker before the window's end." + _ROUNDED,
        _ratio(
            lambda t: t.cohort_contracts_filled, lambda t: t.cohort_contracts, "no resting order placed in the window"
        ),
    ),
    Metric("maker_contracts", "contracts", "Contracts filled as maker inside the window.", _plain("maker_contracts")),
    Metric("taker_contracts", "contracts", "Contracts filled as taker inside the window.", _plain("taker_contracts")),
    Metric(
        "maker_taker_ratio",
        "ratio",
        "maker_contracts / taker_contracts." + _ROUNDED,
        _ratio(lambda t: t.maker_contracts, lambda t: t.taker_contracts, "no taker contracts in the window"),
    ),
    Metric(
        "volume_dollars",
        "dollars",
        "Sum over fills inside the window of contracts x price paid: the YES price when buying YES, 1 - the YES price "
        "when selling it.",
        _plain("volume_dollars"),
    ),
    Metric(
        "volume_30d_contracts",
        "contracts",
        "Contracts filled, maker and taker, in the 30 days before the window's end.",
        _plain("volume_30d_contracts"),
        "30d",
    ),
    Metric(
        "volume_30d_dollars",
        "dollars",
        "As volume_dollars, over the 30 days before the window's end.",
        _plain("volume_30d_dollars"),
        "30d",
    ),
    Metric("fees", "dollars", "Fees charged on fills inside the window; negative is a rebate.", _plain("fees")),
)
