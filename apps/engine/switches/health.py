"""Switches over what we stand on: API errors (K5), feed (K6), clock (K12), dead man (K13), exchange state (K15)."""

from __future__ import annotations

from dataclasses import dataclass, field

from .base import (
    BPS,
    OPTIONAL,
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
class ApiErrorInputs(Inputs):
    """Calls to the exchange in the window. An error is an answer we could not get or use, not a refused order.

    `at_ms` is the time of the newest call: the five-second comparison calls even when nothing trades.
    """

    calls: int | None
    errors: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiErrorThresholds(Thresholds):
    window_ms: int = threshold(60_000, "ms")
    min_calls: int = threshold(20, "count")
    warn_bps: int = threshold(200, "bps")
    trip_bps: int = threshold(500, "bps")


def judge_api_errors(i: ApiErrorInputs, t: ApiErrorThresholds, now_ms: int) -> Verdict:
    """Above a threshold, not at it, from `min_calls` calls on."""
    assert i.calls is not None
    assert i.errors is not None
    if i.errors < 0 or i.errors > i.calls:
        return trip(Action.REFUSE, f"impossible counts: {i.errors} errors of {i.calls} calls")
    said, limit = f"{i.errors} of {i.calls} calls failed in {ms(t.window_ms)}", percent(t.trip_bps)
    if i.calls < t.min_calls or i.calls == 0:
        return ok(f"{said}, too few to judge ({t.min_calls})", f"{i.errors}/{i.calls}", limit)
    share = percent(share_bps(i.errors, i.calls))
    if i.errors * BPS > t.trip_bps * i.calls:
        return trip(Action.REFUSE, f"{said} ({share}); no new orders above {limit}", share, limit)
    if i.errors * BPS > t.warn_bps * i.calls:
        return warn(f"{said} ({share}); warns above {percent(t.warn_bps)}", share, limit)
    return ok(f"{said} ({share})", share, limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedInputs(Inputs):
    """`silent_ms`: since any frame or ping on the connection, None while there is none. `at_ms`: when that was read.

    The age of a book's last change is not an input: a quiet market sends nothing for minutes while pings go on. Books
    that contradict themselves are K7's.
    """

    is_connected: bool | None
    silent_ms: int | None = field(metadata=OPTIONAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedThresholds(Thresholds):
    max_age_ms: int = threshold(5_000, "ms")
    warn_silent_ms: int = threshold(12_000, "ms")
    trip_silent_ms: int = threshold(15_000, "ms")


def judge_feed(i: FeedInputs, t: FeedThresholds, now_ms: int) -> Verdict:
    """Above a threshold, not at it; no connection trips at once."""
    assert i.is_connected is not None
    limit = ms(t.trip_silent_ms)
    if not i.is_connected:
        return trip(Action.PULL_QUOTES, "the feed is not connected", "not connected", limit)
    if i.silent_ms is None:
        return Verdict(SwitchState.NO_INPUT, Action.REFUSE, "connected, but nothing was heard yet")
    if i.silent_ms > t.trip_silent_ms:
        reason = f"nothing, not even a ping, was heard for {ms(i.silent_ms)}; the exchange pings every 10 s"
        return trip(Action.PULL_QUOTES, reason, ms(i.silent_ms), limit)
    if i.silent_ms > t.warn_silent_ms:
        return warn(f"nothing was heard for {ms(i.silent_ms)}", ms(i.silent_ms), limit)
    return ok(f"heard {ms(i.silent_ms)} ago", ms(i.silent_ms), limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockInputs(Inputs):
    """Local clock minus the exchange's. It is read from replies to the second, so less than 1 s says nothing."""

    skew_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockThresholds(Thresholds):
    warn_skew_ms: int = threshold(1_000, "ms")
    trip_skew_ms: int = threshold(3_000, "ms")


def judge_clock(i: ClockInputs, t: ClockThresholds, now_ms: int) -> Verdict:
    """Above a threshold, not at it, in either direction."""
    assert i.skew_ms is not None
    off, limit = abs(i.skew_ms), ms(t.trip_skew_ms)
    said = f"the local clock is {ms(off)} {'ahead of' if i.skew_ms > 0 else 'behind'} the exchange's"
    if off > t.trip_skew_ms:
        return trip(Action.REFUSE, f"{said}; signatures would be refused and expiries wrong", ms(off), limit)
    if off > t.warn_skew_ms:
        return warn(f"{said}; warns above {ms(t.warn_skew_ms)}", ms(off), limit)
    return ok(said, ms(off), limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadManInputs(Inputs):
    """Ages of the session's own heartbeat and of the guardian's; `lease_left_ms` of the resting order next to expire.

    None for the lease means that nothing rests.
    """

    beat_age_ms: int | None
    guardian_age_ms: int | None
    lease_left_ms: int | None = field(metadata=OPTIONAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadManThresholds(Thresholds):
    max_age_ms: int = threshold(5_000, "ms")
    warn_beat_ms: int = threshold(5_000, "ms")
    trip_beat_ms: int = threshold(10_000, "ms")
    warn_guardian_ms: int = threshold(15_000, "ms")
    trip_guardian_ms: int = threshold(30_000, "ms")
    min_lease_ms: int = threshold(5_000, "ms")


def judge_dead_man(i: DeadManInputs, t: DeadManThresholds, now_ms: int) -> Verdict:
    """Heartbeats above, the lease below its threshold, not at it."""
    assert i.beat_age_ms is not None
    assert i.guardian_age_ms is not None
    if i.beat_age_ms > t.trip_beat_ms:
        reason = f"the session's heartbeat was last written {ms(i.beat_age_ms)} ago"
        return trip(Action.REFUSE, reason, ms(i.beat_age_ms), ms(t.trip_beat_ms))
    if i.guardian_age_ms > t.trip_guardian_ms:
        reason = f"the guardian was last seen {ms(i.guardian_age_ms)} ago; nobody would pull our orders if we died"
        return trip(Action.REFUSE, reason, ms(i.guardian_age_ms), ms(t.trip_guardian_ms))
    if i.lease_left_ms is not None and i.lease_left_ms < t.min_lease_ms:
        reason = f"a resting order expires in {ms(i.lease_left_ms)} and was not renewed"
        return trip(Action.REFUSE, reason, ms(i.lease_left_ms), ms(t.min_lease_ms))
    said = f"heartbeat {ms(i.beat_age_ms)}, guardian {ms(i.guardian_age_ms)} ago"
    if i.beat_age_ms > t.warn_beat_ms or i.guardian_age_ms > t.warn_guardian_ms:
        return warn(said, ms(max(i.beat_age_ms, i.guardian_age_ms)), ms(t.trip_guardian_ms))
    return ok(said, ms(i.guardian_age_ms), ms(t.trip_guardian_ms))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeInputs(Inputs):
    """The exchange's own word, and the markets in our care that it has halted."""

    is_exchange_active: bool | None
    is_trading_active: bool | None
    halted_markets: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeThresholds(Thresholds):
    max_age_ms: int = threshold(60_000, "ms")


def judge_exchange(i: ExchangeInputs, t: ExchangeThresholds, now_ms: int) -> Verdict:
    """A pause of the exchange is worse than one of trading: then not even cancels are taken."""
    assert i.halted_markets is not None
    if not i.is_exchange_active:
        reason = "the exchange is paused: it takes no orders and NO CANCELS; what rests stays until it resumes"
        return trip(Action.REFUSE, reason, "exchange paused", "active")
    if not i.is_trading_active:
        reason = "trading is paused at the exchange: no new orders; cancels still work"
        return trip(Action.REFUSE, reason, "trading paused", "active")
    if i.halted_markets:
        reason = f"halted by the exchange: {', '.join(i.halted_markets[:5])}"
        return Verdict(
            SwitchState.WARN, Action.PULL_QUOTES, reason, f"{len(i.halted_markets)} markets halted", "active",
            tuple(("market", ticker) for ticker in i.halted_markets),
        )  # fmt: skip
    return ok("exchange and trading are active", "active", "active")


K5 = Switch(
    key="K5",
    title="API error rate",
    code="K5_API_ERRORS",
    scope="account",
    producer="every call to the exchange of this session",
    trips_when="the share of failed calls is above the threshold",
    window="60 s",
    minimum_sample="min_calls",
    action=Action.REFUSE,
    reset=Reset.AUTOMATIC,
    reset_after_ms=10_000,
    inputs_type=ApiErrorInputs,
    thresholds=ApiErrorThresholds(),
    judge=judge_api_errors,
    trip_case=lambda t, now: ApiErrorInputs(
        at_ms=now, calls=max(t.min_calls, 1) * 100, errors=max(t.min_calls, 1) * 100 * t.trip_bps // BPS + 1
    ),
    # Every call failed, but there were too few to tell.
    calm_case=lambda t, now: ApiErrorInputs(at_ms=now, calls=t.min_calls - 1, errors=t.min_calls - 1),
)
K6 = Switch(
    key="K6",
    title="Stale feed",
    code="K6_STALE_FEED",
    scope="account",
    producer="the feed's connection: frames and pings",
    trips_when="the connection is gone or silent; never because a market is quiet",
    window="since the last frame or ping",
    minimum_sample="none",
    action=Action.PULL_QUOTES,
    reset=Reset.AUTOMATIC,
    reset_after_ms=2_000,
    inputs_type=FeedInputs,
    thresholds=FeedThresholds(),
    judge=judge_feed,
    trip_case=lambda t, now: FeedInputs(at_ms=now, is_connected=True, silent_ms=t.trip_silent_ms + 1),
    # No market has moved for an hour; the last ping is a ping interval old.
    calm_case=lambda t, now: FeedInputs(at_ms=now, is_connected=True, silent_ms=min(10_000, t.warn_silent_ms)),
)
K12 = Switch(
    key="K12",
    title="Clock skew",
    code="K12_CLOCK_SKEW",
    scope="account",
    producer="the date in the exchange's replies",
    trips_when="the local clock is too far from the exchange's",
    window="now",
    minimum_sample="none",
    action=Action.REFUSE,
    reset=Reset.AUTOMATIC,
    reset_after_ms=10_000,
    inputs_type=ClockInputs,
    thresholds=ClockThresholds(),
    judge=judge_clock,
    trip_case=lambda t, now: ClockInputs(at_ms=now, skew_ms=-t.trip_skew_ms - 1),
    calm_case=lambda t, now: ClockInputs(at_ms=now, skew_ms=t.warn_skew_ms),
)
K13 = Switch(
    key="K13",
    title="Dead man",
    code="K13_DEAD_MAN",
    scope="account",
    producer="heartbeats of session and guardian, expiries of resting orders",
    trips_when="a heartbeat is missed or a resting order's expiry is not renewed",
    window="now",
    minimum_sample="none",
    action=Action.REFUSE,
    reset=Reset.AUTOMATIC,
    reset_after_ms=5_000,
    inputs_type=DeadManInputs,
    thresholds=DeadManThresholds(),
    judge=judge_dead_man,
    trip_case=lambda t, now: DeadManInputs(
        at_ms=now, beat_age_ms=0, guardian_age_ms=t.trip_guardian_ms + 1, lease_left_ms=None
    ),
    calm_case=lambda t, now: DeadManInputs(
        at_ms=now, beat_age_ms=t.warn_beat_ms, guardian_age_ms=t.warn_guardian_ms, lease_left_ms=t.min_lease_ms
    ),
)
K15 = Switch(
    key="K15",
    title="Exchange state",
    code="K15_EXCHANGE_STATE",
    scope="account",
    producer="the exchange's status and its market news",
    trips_when="the exchange or trading is paused; a halted market only loses its own quotes",
    window="now",
    minimum_sample="none",
    action=Action.REFUSE,
    reset=Reset.AUTOMATIC,
    reset_after_ms=5_000,
    inputs_type=ExchangeInputs,
    thresholds=ExchangeThresholds(),
    judge=judge_exchange,
    trip_case=lambda t, now: ExchangeInputs(
        at_ms=now, is_exchange_active=False, is_trading_active=False, halted_markets=()
    ),
    calm_case=lambda t, now: ExchangeInputs(
        at_ms=now, is_exchange_active=True, is_trading_active=True, halted_markets=()
    ),
)
