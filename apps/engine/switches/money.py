"""Switches over money: daily loss (K1), losing streak (K2), draw-down (K4), capital floor (K14).

Net asset value (NAV) is cash plus open positions at what they would fetch now. Money put in or taken out is never
profit or loss: `put_in` is what was deposited less what was withdrawn since the base figure was taken.
"""

from __future__ import annotations

from dataclasses import dataclass

from apps.engine.drawdown import PPM, DrawdownLadder, DrawdownRules, DrawdownStage
from apps.engine.errors import BadNumber
from apps.engine.types import MONEY_SCALE, Money

from .base import (
    BPS,
    Action,
    Inputs,
    Reset,
    Switch,
    SwitchState,
    Thresholds,
    Verdict,
    dollars,
    ok,
    percent,
    share_bps,
    threshold,
    trip,
    warn,
)

NAV_PRODUCER = "NAV from own cash, positions and marks of live books"


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyLossInputs(Inputs):
    opening_nav: Money | None
    nav: Money | None
    put_in: Money | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyLossThresholds(Thresholds):
    max_age_ms: int = threshold(60_000, "ms")
    warn_bps: int = threshold(500, "bps")
    trip_bps: int = threshold(1_000, "bps")


def judge_daily_loss(i: DailyLossInputs, t: DailyLossThresholds, now_ms: int) -> Verdict:
    """Loss = NAV at the start of the day + put in - NAV now. Exactly at a threshold counts as reached."""
    assert i.opening_nav is not None
    assert i.nav is not None
    assert i.put_in is not None
    if i.opening_nav <= 0:
        return trip(Action.HALT, f"the day began with {dollars(i.opening_nav)}, which no loss can be measured against")
    loss = i.opening_nav + i.put_in - i.nav
    share = percent(share_bps(loss, i.opening_nav))
    said = (
        f"day loss {share}: NAV {dollars(i.nav)}, {dollars(i.opening_nav)} at the start of the day, "
        f"{dollars(i.put_in)} put in since"
    )
    if loss * BPS >= t.trip_bps * i.opening_nav:
        return trip(Action.HALT, f"{said}; halts at {percent(t.trip_bps)}", share, percent(t.trip_bps))
    if loss * BPS >= t.warn_bps * i.opening_nav:
        return warn(f"{said}; warns at {percent(t.warn_bps)}", share, percent(t.trip_bps))
    return ok(said, share, percent(t.trip_bps))


@dataclass(frozen=True, slots=True, kw_only=True)
class StreakInputs(Inputs):
    """`losses`: settled markets in a row, up to the newest, that lost money after fees."""

    losses: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StreakThresholds(Thresholds):
    warn_losses: int = threshold(5, "count")
    trip_losses: int = threshold(8, "count")


def judge_streak(i: StreakInputs, t: StreakThresholds, now_ms: int) -> Verdict:
    """The n-th loss in a row trips."""
    assert i.losses is not None
    said = f"{i.losses} settled losses in a row"
    if i.losses >= t.trip_losses:
        return trip(Action.PAUSE_STRATEGY, f"{said}; pauses at {t.trip_losses}", str(i.losses), str(t.trip_losses))
    if i.losses >= t.warn_losses:
        return warn(f"{said}; warns at {t.warn_losses}", str(i.losses), str(t.trip_losses))
    return ok(said, str(i.losses), str(t.trip_losses))


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawdownInputs(Inputs):
    """The ladder before this valuation: its high-water mark, deposits included, and the rung it stands on."""

    high_water: Money | None
    stage: str | None
    nav: Money | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawdownThresholds(Thresholds):
    max_age_ms: int = threshold(60_000, "ms")
    scale_bps: int = threshold(500, "bps")
    reduce_bps: int = threshold(1_000, "bps")
    halt_bps: int = threshold(1_500, "bps")

    @property
    def rules(self) -> DrawdownRules:
        """Raises `BadNumber` for rungs out of order."""
        ppm = PPM // BPS
        return DrawdownRules(self.scale_bps * ppm, self.reduce_bps * ppm, self.halt_bps * ppm)


def judge_drawdown(i: DrawdownInputs, t: DrawdownThresholds, now_ms: int) -> Verdict:
    """Three rungs: smaller sizes (a warning), reduce only, halt. Exactly at a rung stands on it.

    The loss is rounded up to a millionth of the peak. A rung holds until the whole loss is won back, the last one until
    people resume (`engine.drawdown`).
    """
    assert i.high_water is not None
    assert i.stage is not None
    assert i.nav is not None
    try:
        ladder = DrawdownLadder(i.high_water, DrawdownStage(i.stage), t.rules).after(i.nav)
    except (BadNumber, ValueError) as error:
        return trip(Action.HALT, f"no draw-down can be measured: {error}")
    share = percent(share_bps(i.high_water - i.nav, i.high_water))
    said = f"NAV {dollars(i.nav)} is {share} below the peak of {dollars(i.high_water)}"
    rungs = {
        DrawdownStage.HALT: (SwitchState.TRIPPED, Action.HALT, "halts at", t.halt_bps),
        DrawdownStage.REDUCE_ONLY: (SwitchState.TRIPPED, Action.REDUCE, "only reduces from", t.reduce_bps),
        DrawdownStage.SMALL: (SwitchState.WARN, Action.SCALE, "sizes by the smaller Kelly fraction from", t.scale_bps),
    }
    if ladder.stage is DrawdownStage.FULL:
        return ok(said, share, percent(t.scale_bps))
    state, action, words, rung = rungs[ladder.stage]
    return Verdict(state, action, f"{said}; {words} {percent(rung)}, until it is won back", share, percent(rung))


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorInputs(Inputs):
    nav: Money | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorThresholds(Thresholds):
    max_age_ms: int = threshold(60_000, "ms")
    floor: int = threshold(1_000 * MONEY_SCALE, "money")
    warn_floor: int = threshold(1_500 * MONEY_SCALE, "money")


def judge_floor(i: FloorInputs, t: FloorThresholds, now_ms: int) -> Verdict:
    """Below the floor halts; exactly at it does not."""
    assert i.nav is not None
    nav, floor = dollars(i.nav), dollars(t.floor)
    if i.nav < t.floor:
        return trip(Action.HALT, f"NAV {nav} is below the floor of {floor}", nav, floor)
    if i.nav < t.warn_floor:
        return warn(f"NAV {nav} is below {dollars(t.warn_floor)}; the floor is {floor}", nav, floor)
    return ok(f"NAV {nav}", nav, floor)


BASE_NAV = 10_000 * MONEY_SCALE

K1 = Switch(
    key="K1",
    title="Daily loss",
    code="K1_DAILY_LOSS",
    scope="account",
    producer=NAV_PRODUCER,
    trips_when="the day's loss reaches its share of the NAV the day began with; deposits do not count",
    window="trading day",
    minimum_sample="none",
    action=Action.HALT,
    reset=Reset.MANUAL,
    inputs_type=DailyLossInputs,
    thresholds=DailyLossThresholds(),
    judge=judge_daily_loss,
    trip_case=lambda t, now: DailyLossInputs(
        at_ms=now, opening_nav=BASE_NAV, nav=BASE_NAV - BASE_NAV * t.trip_bps // BPS, put_in=0
    ),
    calm_case=lambda t, now: DailyLossInputs(
        at_ms=now, opening_nav=BASE_NAV, nav=2 * BASE_NAV - BASE_NAV * t.warn_bps // BPS + 1, put_in=BASE_NAV
    ),
)
K2 = Switch(
    key="K2",
    title="Losing streak",
    code="K2_LOSING_STREAK",
    scope="strategy",
    producer="settlements of own positions, read from the exchange",
    trips_when="so many settled markets in a row lost money after fees",
    window="since the last settled win",
    minimum_sample="the number itself",
    action=Action.PAUSE_STRATEGY,
    reset=Reset.MANUAL,
    inputs_type=StreakInputs,
    thresholds=StreakThresholds(),
    judge=judge_streak,
    trip_case=lambda t, now: StreakInputs(at_ms=now, losses=t.trip_losses),
    calm_case=lambda t, now: StreakInputs(at_ms=now, losses=t.warn_losses - 1),
)
K4 = Switch(
    key="K4",
    title="Draw-down ladder",
    code="K4_DRAW_DOWN",
    scope="account",
    producer=NAV_PRODUCER,
    trips_when="NAV falls from its peak: smaller sizes, then reduce only, then halt",
    window="since the peak",
    minimum_sample="none",
    action=Action.HALT,
    reset=Reset.MANUAL,
    inputs_type=DrawdownInputs,
    thresholds=DrawdownThresholds(),
    judge=judge_drawdown,
    trip_case=lambda t, now: DrawdownInputs(
        at_ms=now, high_water=BASE_NAV, stage="full", nav=BASE_NAV - BASE_NAV * t.halt_bps // BPS
    ),
    calm_case=lambda t, now: DrawdownInputs(
        at_ms=now, high_water=BASE_NAV, stage="full", nav=BASE_NAV - BASE_NAV * t.scale_bps // BPS + BASE_NAV // PPM
    ),
)
K14 = Switch(
    key="K14",
    title="Capital floor",
    code="K14_CAPITAL_FLOOR",
    scope="account",
    producer=NAV_PRODUCER,
    trips_when="NAV is below the floor",
    window="now",
    minimum_sample="none",
    action=Action.HALT,
    reset=Reset.MANUAL,
    inputs_type=FloorInputs,
    thresholds=FloorThresholds(),
    judge=judge_floor,
    trip_case=lambda t, now: FloorInputs(at_ms=now, nav=t.floor - 1),
    calm_case=lambda t, now: FloorInputs(at_ms=now, nav=max(t.floor, t.warn_floor)),
)
