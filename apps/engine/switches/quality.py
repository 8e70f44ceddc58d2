"""Switches over what our orders achieve: slippage (K3) and the share of orders that fill (K8)."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from apps.engine.types import Money

from .base import (
    BPS,
    Action,
    Inputs,
    Reset,
    Switch,
    Thresholds,
    Verdict,
    dollars,
    ms,
    ok,
    percent,
    share_bps,
    threshold,
    trip,
    warn,
)

Z95 = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class SlippageInputs(Inputs):
    """Over the newest fills of orders that took: `adverse` is what they cost beyond expectation, `notional` in all."""

    fills: int | None
    adverse: Money | None
    notional: Money | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SlippageThresholds(Thresholds):
    min_fills: int = threshold(10, "count")
    warn_bps: int = threshold(50, "bps")
    trip_bps: int = threshold(100, "bps")


def judge_slippage(i: SlippageInputs, t: SlippageThresholds, now_ms: int) -> Verdict:
    """Above a threshold, not at it, over at least `min_fills` fills."""
    assert i.fills is not None
    assert i.adverse is not None
    assert i.notional is not None
    if i.fills < t.min_fills:
        return ok(f"{i.fills} fills, too few to judge ({t.min_fills})", "", percent(t.trip_bps))
    if i.notional <= 0:
        return trip(Action.PAUSE_STRATEGY, f"{i.fills} fills with a notional of {dollars(i.notional)}")
    share = percent(share_bps(i.adverse, i.notional))
    said = f"{i.fills} fills cost {dollars(i.adverse)} ({share}) more than expected"
    if i.adverse * BPS > t.trip_bps * i.notional:
        return trip(Action.PAUSE_STRATEGY, f"{said}; pauses above {percent(t.trip_bps)}", share, percent(t.trip_bps))
    if i.adverse * BPS > t.warn_bps * i.notional:
        return warn(f"{said}; warns above {percent(t.warn_bps)}", share, percent(t.trip_bps))
    return ok(said, share, percent(t.trip_bps))


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRateInputs(Inputs):
    """New orders sent, renewals and decreases not counted.

    `unfilled`: orders since the last fill, the oldest of them `since_ms` ago. `orders`, `filled`: sent in the window,
    and those of them that filled at least in part. `slots`: quotes the strategy keeps up at once (markets x sides).
    """

    unfilled: int | None
    since_ms: int | None
    slots: int | None
    orders: int | None
    filled: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRateThresholds(Thresholds):
    warn_unfilled: int = threshold(75, "count")
    trip_unfilled: int = threshold(150, "count")
    per_slot: int = threshold(3, "count")
    window_ms: int = threshold(600_000, "ms")
    min_orders: int = threshold(150, "count")
    floor_bps: int = threshold(10, "bps")


def judge_fill_rate(i: FillRateInputs, t: FillRateThresholds, now_ms: int) -> Verdict:
    """Two rules: a run of orders without a single fill, and a fill rate whose upper 95 % bound is below the floor.

    A strategy of many markets first sends one order per slot, so a run must also exceed `per_slot` orders a slot, or
    last longer than the window. A quiet market moves no quotes and so sends too few orders to trip either rule.
    """
    assert i.unfilled is not None
    assert i.since_ms is not None
    assert i.slots is not None
    assert i.orders is not None
    assert i.filled is not None
    if min(i.unfilled, i.since_ms, i.slots, i.orders, i.filled) < 0 or i.filled > i.orders:
        return trip(Action.PAUSE_STRATEGY, f"impossible counts: {i}")
    value, limit = f"{i.unfilled} without a fill", f"{max(t.trip_unfilled, t.per_slot * i.slots)}"
    said = f"{i.unfilled} orders sent in {ms(i.since_ms)} and not one filled"
    is_long = i.unfilled > t.per_slot * i.slots or i.since_ms > t.window_ms
    if i.unfilled > t.trip_unfilled and is_long:
        reason = (
            f"{said}. More than {t.trip_unfilled} orders in a row without a fill means that what we send cannot "
            "trade: wrong price, wrong side, or orders that the exchange refuses"
        )
        return trip(Action.PAUSE_STRATEGY, reason, value, limit)
    upper = wilson_upper(i.filled, i.orders)
    if i.orders >= t.min_orders and upper * BPS < t.floor_bps:
        reason = (
            f"{i.filled} of {i.orders} orders filled in {ms(t.window_ms)}; with 95 % certainty the rate is below "
            f"{upper * 100:.3f} %, and the floor is {percent(t.floor_bps)}"
        )
        return trip(Action.PAUSE_STRATEGY, reason, f"{i.filled}/{i.orders}", percent(t.floor_bps))
    if i.unfilled > t.warn_unfilled and is_long:
        return warn(said, value, limit)
    return ok(f"{i.filled} of {i.orders} orders filled; {i.unfilled} since the last fill", value, limit)


def wilson_upper(hits: int, trials: int) -> float:
    """Upper bound of the 95 % Wilson score interval of a rate; 1 without trials."""
    if trials <= 0:
        return 1.0
    rate, z2 = hits / trials, Z95 * Z95
    spread = Z95 * sqrt(rate * (1 - rate) / trials + z2 / (4 * trials * trials))
    return min(1.0, (rate + z2 / (2 * trials) + spread) / (1 + z2 / trials))


NOTIONAL = 1_000_000_000

K3 = Switch(
    key="K3",
    title="Slippage",
    code="K3_SLIPPAGE",
    scope="strategy",
    producer="fills of orders that took, with the best price of the book when they were sent",
    trips_when="the newest fills cost more than expected by more than the threshold",
    window="newest 50 fills",
    minimum_sample="min_fills",
    action=Action.PAUSE_STRATEGY,
    reset=Reset.MANUAL,
    inputs_type=SlippageInputs,
    thresholds=SlippageThresholds(),
    judge=judge_slippage,
    trip_case=lambda t, now: SlippageInputs(
        at_ms=now, fills=max(1, t.min_fills), adverse=NOTIONAL * t.trip_bps // BPS + 1, notional=NOTIONAL
    ),
    calm_case=lambda t, now: SlippageInputs(
        at_ms=now, fills=max(1, t.min_fills), adverse=NOTIONAL * t.warn_bps // BPS, notional=NOTIONAL
    ),
)
K8 = Switch(
    key="K8",
    title="Fill-rate collapse",
    code="K8_FILL_RATE",
    scope="strategy",
    producer="orders sent by this session against fills confirmed by the exchange",
    trips_when="too many orders in a row without a fill, or a fill rate that is certain to be below the floor",
    window="since the last fill; 10 min for the rate",
    minimum_sample="trip_unfilled, min_orders",
    action=Action.PAUSE_STRATEGY,
    reset=Reset.MANUAL,
    inputs_type=FillRateInputs,
    thresholds=FillRateThresholds(),
    judge=judge_fill_rate,
    trip_case=lambda t, now: FillRateInputs(
        at_ms=now, unfilled=t.trip_unfilled + 1, since_ms=t.window_ms + 1, slots=2, orders=t.trip_unfilled + 1, filled=0
    ),
    # A quiet market: quotes that rest for hours without one new order.
    calm_case=lambda t, now: FillRateInputs(
        at_ms=now, unfilled=min(2, t.warn_unfilled), since_ms=100 * t.window_ms, slots=2, orders=0, filled=0
    ),
)
