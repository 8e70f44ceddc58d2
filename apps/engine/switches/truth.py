"""Switches over whether our records are right: desync (K7), books (K10), fees and cash (K11), versions (K18)."""

from __future__ import annotations

from dataclasses import dataclass

from apps.engine.decimals import format_money
from apps.engine.types import Money

from .base import (
    Action,
    Inputs,
    Reset,
    Switch,
    SwitchState,
    Thresholds,
    Verdict,
    dollars,
    ms,
    ok,
    threshold,
    trip,
    warn,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DesyncInputs(Inputs):
    """`out_of_step`: markets whose book cannot be trusted now. In the window: `markets` whose book contradicted itself,
    `gaps` in a subscription's sequence, `mismatches` between an own order and the exchange's record of it.

    A gap is one event however many books hang on the subscription, so it does not count once per market.
    """

    out_of_step: tuple[str, ...] | None
    markets: int | None
    gaps: int | None
    mismatches: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DesyncThresholds(Thresholds):
    max_age_ms: int = threshold(5_000, "ms")
    window_ms: int = threshold(60_000, "ms")
    max_markets: int = threshold(3, "count")
    max_gaps: int = threshold(5, "count")
    max_mismatches: int = threshold(0, "count")


def judge_desync(i: DesyncInputs, t: DesyncThresholds, now_ms: int) -> Verdict:
    """The ladder: one bad book loses its own quotes; many, or any own order that differs, halt. Above, not at."""
    assert i.out_of_step is not None
    assert i.markets is not None
    assert i.gaps is not None
    assert i.mismatches is not None
    if i.mismatches > t.max_mismatches:
        reason = f"DESYNC: {i.mismatches} own orders differ from the exchange's record of them"
        return trip(Action.HALT, reason, f"{i.mismatches} own orders", str(t.max_mismatches))
    if i.markets > t.max_markets:
        reason = f"DESYNC: {i.markets} books contradicted themselves in {ms(t.window_ms)}, more than {t.max_markets}"
        return trip(Action.HALT, reason, f"{i.markets} books", str(t.max_markets))
    if i.gaps > t.max_gaps:
        reason = f"DESYNC: {i.gaps} sequence gaps in {ms(t.window_ms)}, more than {t.max_gaps}"
        return trip(Action.HALT, reason, f"{i.gaps} gaps", str(t.max_gaps))
    if i.out_of_step:
        reason = f"{len(i.out_of_step)} books wait for a snapshot: {', '.join(i.out_of_step[:5])}"
        return Verdict(
            SwitchState.WARN, Action.PULL_QUOTES, reason, f"{len(i.out_of_step)} out of step", str(t.max_markets),
            tuple(("market", ticker) for ticker in i.out_of_step),
        )  # fmt: skip
    return ok("every book is in step", "0", str(t.max_markets))


@dataclass(frozen=True, slots=True, kw_only=True)
class BooksInputs(Inputs):
    """The newest comparison with the exchange. `is_confirmed`: seen twice with nothing moving in between."""

    order_differences: int | None
    position_differences: int | None
    cash_drift: Money | None
    is_confirmed: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BooksThresholds(Thresholds):
    max_differences: int = threshold(0, "count")
    max_drift: int = threshold(0, "money")


def judge_books(i: BooksInputs, t: BooksThresholds, now_ms: int) -> Verdict:
    """Above a threshold, not at it. A difference not yet confirmed may be the exchange's reads lagging: a warning."""
    assert i.order_differences is not None
    assert i.position_differences is not None
    assert i.cash_drift is not None
    differing = i.order_differences + i.position_differences
    said = (
        f"{i.order_differences} orders and {i.position_differences} positions differ from the exchange's records, "
        f"cash by {dollars(i.cash_drift)}"
    )
    value = f"{differing} differences, cash {dollars(i.cash_drift)}"
    if differing <= t.max_differences and abs(i.cash_drift) <= t.max_drift:
        return ok("orders, positions and cash agree with the exchange", value, "0")
    if not i.is_confirmed:
        return warn(f"{said}; not confirmed yet", value, "0")
    return trip(Action.HALT, said, value, "0")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeInputs(Inputs):
    """`difference`: what fills were charged beyond or below our prediction, added up without sign, in the window.

    `unpredicted`: fills in the window whose fee we could not predict. `drift`: cash no record explains, for `drift_ms`.
    """

    difference: Money | None
    unpredicted: int | None
    drift: Money | None
    drift_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeThresholds(Thresholds):
    window_ms: int = threshold(3_600_000, "ms")
    warn_difference: int = threshold(0, "money")
    trip_difference: int = threshold(10_000, "money")
    max_unpredicted: int = threshold(5, "count")
    max_drift: int = threshold(0, "money")
    drift_for_ms: int = threshold(5_000, "ms")


def judge_fees(i: FeeInputs, t: FeeThresholds, now_ms: int) -> Verdict:
    """Above a threshold, not at it; cash must have drifted for longer than one comparison."""
    assert i.difference is not None
    assert i.unpredicted is not None
    assert i.drift is not None
    assert i.drift_ms is not None
    if abs(i.drift) > t.max_drift and i.drift_ms > t.drift_for_ms:
        reason = f"{dollars(i.drift)} of cash is unexplained for {ms(i.drift_ms)}"
        return trip(Action.HALT, reason, dollars(i.drift), dollars(t.max_drift))
    value, limit = f"${format_money(i.difference)}", f"${format_money(t.trip_difference)}"
    said = f"fees differ from our prediction by {value} in {ms(t.window_ms)}"
    if i.difference > t.trip_difference:
        return trip(Action.HALT, f"{said}; halts above {limit}", value, limit)
    if i.unpredicted > t.max_unpredicted:
        reason = f"the fees of {i.unpredicted} fills could not be predicted"
        return trip(Action.HALT, reason, f"{i.unpredicted} fills", str(t.max_unpredicted))
    if i.difference > t.warn_difference or i.unpredicted > 0 or abs(i.drift) > t.max_drift:
        return warn(f"{said}; {i.unpredicted} fills without a prediction; cash {dollars(i.drift)}", value, limit)
    return ok("every fee as predicted, all cash explained", value, limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionInputs(Inputs):
    """`disagreements`: what runs and is not what was approved, or processes of different releases, as sentences.

    `since_ms`: for how long there has been one.
    """

    disagreements: tuple[str, ...] | None
    since_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionThresholds(Thresholds):
    """The grace covers the second in which a session takes up what has just been approved."""

    grace_ms: int = threshold(3_000, "ms")


def judge_versions(i: VersionInputs, t: VersionThresholds, now_ms: int) -> Verdict:
    """A disagreement that lasts longer than the grace, not just as long."""
    assert i.disagreements is not None
    assert i.since_ms is not None
    if not i.disagreements:
        return ok("what runs is what was approved", "0", "0")
    said, value = "; ".join(i.disagreements[:5]), f"{len(i.disagreements)} disagreements"
    if i.since_ms > t.grace_ms:
        return trip(Action.HALT, f"{said}, for {ms(i.since_ms)}", value, "0")
    return warn(said, value, "0")


K7 = Switch(
    key="K7",
    title="Desync",
    code="K7_DESYNC",
    scope="account",
    producer="books of the feed, and own orders against the exchange's record of each",
    trips_when="books contradict themselves in many markets, gaps repeat, or any own order differs",
    window="60 s",
    minimum_sample="none",
    action=Action.HALT,
    reset=Reset.MANUAL,
    inputs_type=DesyncInputs,
    thresholds=DesyncThresholds(),
    judge=judge_desync,
    trip_case=lambda t, now: DesyncInputs(
        at_ms=now, out_of_step=(), markets=0, gaps=0, mismatches=t.max_mismatches + 1
    ),
    calm_case=lambda t, now: DesyncInputs(
        at_ms=now, out_of_step=(), markets=t.max_markets, gaps=t.max_gaps, mismatches=t.max_mismatches
    ),
)
K10 = Switch(
    key="K10",
    title="Books do not match",
    code="K10_BOOKS_DIFFER",
    scope="account",
    producer="the comparison with the exchange every 5 s",
    trips_when="orders, positions or cash differ from the exchange's records",
    window="newest comparison",
    minimum_sample="seen twice",
    action=Action.HALT,
    reset=Reset.MANUAL,
    inputs_type=BooksInputs,
    thresholds=BooksThresholds(),
    judge=judge_books,
    trip_case=lambda t, now: BooksInputs(
        at_ms=now, order_differences=0, position_differences=t.max_differences + 1, cash_drift=0, is_confirmed=True
    ),
    calm_case=lambda t, now: BooksInputs(
        at_ms=now,
        order_differences=t.max_differences,
        position_differences=0,
        cash_drift=-t.max_drift,
        is_confirmed=True,
    ),
)
K11 = Switch(
    key="K11",
    title="Fee or cash drift",
    code="K11_FEE_OR_CASH",
    scope="account",
    producer="charged fees against predicted ones, and cash of the newest comparison",
    trips_when="fees differ from the prediction, cannot be predicted, or cash is unexplained",
    window="1 h",
    minimum_sample="none",
    action=Action.HALT,
    reset=Reset.MANUAL,
    inputs_type=FeeInputs,
    thresholds=FeeThresholds(),
    judge=judge_fees,
    trip_case=lambda t, now: FeeInputs(at_ms=now, difference=t.trip_difference + 1, unpredicted=0, drift=0, drift_ms=0),
    calm_case=lambda t, now: FeeInputs(
        at_ms=now, difference=t.warn_difference, unpredicted=0, drift=t.max_drift, drift_ms=t.drift_for_ms
    ),
)
K18 = Switch(
    key="K18",
    title="Wrong version",
    code="K18_VERSION",
    scope="account",
    producer="hashes of running code and parameters against the approved ones; releases of the processes",
    trips_when="code or parameters are not the approved ones, or processes run different releases",
    window="now",
    minimum_sample="longer than the grace",
    action=Action.HALT,
    reset=Reset.MANUAL,
    inputs_type=VersionInputs,
    thresholds=VersionThresholds(),
    judge=judge_versions,
    trip_case=lambda t, now: VersionInputs(at_ms=now, disagreements=("drill: old hash",), since_ms=t.grace_ms + 1),
    calm_case=lambda t, now: VersionInputs(at_ms=now, disagreements=(), since_ms=0),
)
