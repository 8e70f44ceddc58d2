"""Switches over what we send and hold: runaway (K9), breach (K16), bad number (K17), restricted (K19), manual (KM)."""

from __future__ import annotations

from dataclasses import dataclass

from .base import (
    BPS,
    Action,
    Inputs,
    Reset,
    Switch,
    SwitchState,
    Thresholds,
    Verdict,
    ms,
    ok,
    percent,
    share_bps,
    threshold,
    trip,
    warn,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunawayInputs(Inputs):
    """`orders` and `cancels` in the window; `repeats`: most like orders (market, side, price, size) since a fill there.

    `duplicates`: intents whose id had been sent before. `slots`: quotes the strategy keeps up at once.
    """

    orders: int | None
    cancels: int | None
    repeats: int | None
    duplicates: int | None
    slots: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunawayThresholds(Thresholds):
    max_age_ms: int = threshold(5_000, "ms")
    window_ms: int = threshold(10_000, "ms")
    warn_orders: int = threshold(150, "count")
    trip_orders: int = threshold(300, "count")
    warn_cancels: int = threshold(150, "count")
    trip_cancels: int = threshold(300, "count")
    per_slot: int = threshold(2, "count")
    repeat_window_ms: int = threshold(60_000, "ms")
    warn_repeats: int = threshold(30, "count")
    trip_repeats: int = threshold(60, "count")
    max_duplicates: int = threshold(0, "count")


def judge_runaway(i: RunawayInputs, t: RunawayThresholds, now_ms: int) -> Verdict:
    """Above a threshold, not at it. Rates may reach `per_slot` per quote kept up, if that is more."""
    assert i.orders is not None
    assert i.cancels is not None
    assert i.repeats is not None
    assert i.duplicates is not None
    assert i.slots is not None
    if i.duplicates > t.max_duplicates:
        reason = f"{i.duplicates} intents were about to be sent a second time"
        return trip(Action.PAUSE_STRATEGY, reason, f"{i.duplicates} duplicates", str(t.max_duplicates))
    if i.repeats > t.trip_repeats:
        reason = (
            f"the same order (market, side, price and size) was sent {i.repeats} times in {ms(t.repeat_window_ms)} "
            f"without a fill between; more than {t.trip_repeats} is a loop, not a strategy"
        )
        return trip(Action.PAUSE_STRATEGY, reason, f"{i.repeats} like orders", str(t.trip_repeats))
    for name, count, most in (("orders", i.orders, t.trip_orders), ("cancels", i.cancels, t.trip_cancels)):
        limit = max(most, t.per_slot * i.slots)
        if count > limit:
            reason = f"{count} {name} in {ms(t.window_ms)}, more than {limit}"
            return trip(Action.PAUSE_STRATEGY, reason, f"{count} {name}", str(limit))
    said = f"{i.orders} orders and {i.cancels} cancels in {ms(t.window_ms)}, at most {i.repeats} alike"
    calm = max(t.per_slot * i.slots, t.warn_orders), max(t.per_slot * i.slots, t.warn_cancels)
    if i.repeats > t.warn_repeats or i.orders > calm[0] or i.cancels > calm[1]:
        return warn(said, f"{i.orders} orders", str(t.trip_orders))
    return ok(said, f"{i.orders} orders", str(t.trip_orders))


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeUse:
    """How much of one limit of one node is used, both in the rule's own unit."""

    scope: str
    scope_id: str
    rule: str
    used: int | None
    limit: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BreachInputs(Inputs):
    """Every limit in use, after the newest fill."""

    nodes: tuple[NodeUse, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BreachThresholds(Thresholds):
    max_age_ms: int = threshold(10_000, "ms")
    warn_bps: int = threshold(9_500, "bps")
    trip_bps: int = threshold(10_000, "bps")


def judge_breach(i: BreachInputs, t: BreachThresholds, now_ms: int) -> Verdict:
    """Above 100 % of a limit, not at it, reduces that node."""
    assert i.nodes is not None
    over = [n for n in i.nodes if (n.used or 0) * BPS > t.trip_bps * (n.limit or 0)]
    if over:
        said = "; ".join(f"{n.scope} {n.scope_id} {n.rule}: {n.used} of {n.limit}".replace("  ", " ") for n in over[:5])
        targets = tuple(dict.fromkeys((n.scope, n.scope_id) for n in over))
        reason = f"limits exceeded after fills: {said}"
        value = f"{len(over)} limits exceeded"
        return Verdict(SwitchState.TRIPPED, Action.REDUCE, reason, value, percent(t.trip_bps), targets)
    near = [n for n in i.nodes if n.used and n.used * BPS > t.warn_bps * (n.limit or 0)]
    if near:
        worst = max(near, key=lambda n: (n.used or 0) * BPS // (n.limit or 1))
        share = percent(share_bps(worst.used or 0, worst.limit or 1))
        return warn(f"{worst.scope} {worst.scope_id} {worst.rule}: {share} used", share, percent(t.trip_bps))
    return ok(f"{len(i.nodes)} limits, none exceeded", "", percent(t.trip_bps))


@dataclass(frozen=True, slots=True, kw_only=True)
class BadNumberInputs(Inputs):
    """Prices, sizes or probabilities that were NaN, infinite or out of band, in the window; `example`: the newest."""

    count: int | None
    example: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BadNumberThresholds(Thresholds):
    max_age_ms: int = threshold(5_000, "ms")
    window_ms: int = threshold(60_000, "ms")
    max_count: int = threshold(0, "count")


def judge_bad_number(i: BadNumberInputs, t: BadNumberThresholds, now_ms: int) -> Verdict:
    """Above the threshold, not at it: by default one is enough."""
    assert i.count is not None
    if i.count > t.max_count:
        return trip(Action.PAUSE_STRATEGY, f"a number that cannot be: {i.example}", str(i.count), str(t.max_count))
    return ok(f"{i.count} in {ms(t.window_ms)}", str(i.count), str(t.max_count))


@dataclass(frozen=True, slots=True, kw_only=True)
class RestrictedInputs(Inputs):
    """Markets on the restricted list: in a strategy's scope (`armed`); with orders resting or asked for (`working`).

    `at_ms` is when the list was read.
    """

    armed: tuple[str, ...] | None
    working: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RestrictedThresholds(Thresholds):
    max_working: int = threshold(0, "count")


def judge_restricted(i: RestrictedInputs, t: RestrictedThresholds, now_ms: int) -> Verdict:
    """Above the threshold, not at it. An armed market without an order of ours is a warning."""
    assert i.armed is not None
    assert i.working is not None
    if len(i.working) > t.max_working:
        reason = f"on the restricted list, with orders of ours: {', '.join(i.working[:5])}"
        targets = tuple(("market", ticker) for ticker in i.working)
        value = f"{len(i.working)} markets"
        return Verdict(SwitchState.TRIPPED, Action.HALT, reason, value, str(t.max_working), targets)
    if i.armed:
        reason = f"in scope but on the restricted list, so refused: {', '.join(i.armed[:5])}"
        return warn(reason, f"{len(i.armed)} armed", str(t.max_working))
    return ok("no market in scope is restricted", "0", str(t.max_working))


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualInputs(Inputs):
    """The account's trading state as the database has it, and when it was read."""

    state: str | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ManualThresholds(Thresholds):
    max_age_ms: int = threshold(1_000, "ms")


def judge_manual(i: ManualInputs, t: ManualThresholds, now_ms: int) -> Verdict:
    """Anything but active or reducing is a halt, words we do not know included."""
    if i.state == "active":
        return ok("nobody has stopped trading", "active", "active")
    if i.state == "reducing":
        return warn(f"reducing: {i.reason}", "reducing", "active", Action.REDUCE)
    return trip(Action.HALT, f"{i.state}: {i.reason}", str(i.state), "active")


K9 = Switch(
    key="K9",
    title="Runaway",
    code="K9_RUNAWAY",
    scope="strategy",
    producer="every order and cancel this session sends",
    trips_when="too many orders or cancels, the same order again and again, or an intent sent twice",
    window="10 s for rates, 60 s for repetition",
    minimum_sample="none",
    action=Action.PAUSE_STRATEGY,
    reset=Reset.MANUAL,
    inputs_type=RunawayInputs,
    thresholds=RunawayThresholds(),
    judge=judge_runaway,
    trip_case=lambda t, now: RunawayInputs(
        at_ms=now, orders=0, cancels=0, repeats=t.trip_repeats + 1, duplicates=0, slots=2
    ),
    calm_case=lambda t, now: RunawayInputs(
        at_ms=now,
        orders=t.warn_orders,
        cancels=t.warn_cancels,
        repeats=t.warn_repeats,
        duplicates=t.max_duplicates,
        slots=0,
    ),
)
K16 = Switch(
    key="K16",
    title="Limit breach after a fill",
    code="K16_LIMIT_BREACH",
    scope="node",
    producer="positions and resting orders against every limit that binds them",
    trips_when="more than 100 % of any limit is used",
    window="now",
    minimum_sample="none",
    action=Action.REDUCE,
    reset=Reset.MANUAL,
    inputs_type=BreachInputs,
    thresholds=BreachThresholds(),
    judge=judge_breach,
    trip_case=lambda t, now: BreachInputs(
        at_ms=now,
        nodes=(
            NodeUse(scope="market", scope_id="DRILL", rule="contracts", used=BPS * t.trip_bps + 1, limit=BPS * BPS),
        ),
    ),
    calm_case=lambda t, now: BreachInputs(
        at_ms=now,
        nodes=(NodeUse(scope="market", scope_id="DRILL", rule="contracts", used=BPS * t.warn_bps, limit=BPS * BPS),),
    ),
)
K17 = Switch(
    key="K17",
    title="Bad number",
    code="K17_BAD_NUMBER",
    scope="strategy",
    producer="checks of every decision and every order",
    trips_when="a price, size or probability is NaN, infinite or out of its band",
    window="60 s",
    minimum_sample="none",
    action=Action.PAUSE_STRATEGY,
    reset=Reset.MANUAL,
    inputs_type=BadNumberInputs,
    thresholds=BadNumberThresholds(),
    judge=judge_bad_number,
    trip_case=lambda t, now: BadNumberInputs(at_ms=now, count=t.max_count + 1, example="drill: price nan"),
    calm_case=lambda t, now: BadNumberInputs(at_ms=now, count=t.max_count, example=""),
)
K19 = Switch(
    key="K19",
    title="Restricted market",
    code="K19_RESTRICTED",
    scope="market",
    producer="the restricted list of firm and people against markets with orders of ours",
    trips_when="an order of ours rests, or is asked for, in a restricted market",
    window="now",
    minimum_sample="none",
    action=Action.HALT,
    reset=Reset.MANUAL,
    inputs_type=RestrictedInputs,
    thresholds=RestrictedThresholds(),
    judge=judge_restricted,
    trip_case=lambda t, now: RestrictedInputs(
        at_ms=now, armed=(), working=tuple(f"DRILL-{n}" for n in range(t.max_working + 1))
    ),
    calm_case=lambda t, now: RestrictedInputs(at_ms=now, armed=(), working=()),
)
KM = Switch(
    key="KM",
    title="Manual",
    code="KM_MANUAL",
    scope="account",
    producer="the trading state of the account, read four times a second",
    trips_when="a person, or another switch, has stopped trading",
    window="now",
    minimum_sample="none",
    action=Action.HALT,
    reset=Reset.MANUAL,
    inputs_type=ManualInputs,
    thresholds=ManualThresholds(),
    judge=judge_manual,
    trip_case=lambda t, now: ManualInputs(at_ms=now, state="halted", reason="drill"),
    calm_case=lambda t, now: ManualInputs(at_ms=now, state="active", reason=""),
)
