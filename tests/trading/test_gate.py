"""The last gate before the wire: each of its parts shuts it alone."""

from __future__ import annotations

from apps.engine.limits import TradingState
from apps.trading.execution.gate import Gate
from tests.fakes.clock import FakeClock


def open_gate() -> tuple[Gate, FakeClock]:
    clock = FakeClock()
    gate = Gate(clock)
    gate.refresh(state=TradingState.ACTIVE, reason="")
    gate.limits_read(clock.monotonic())
    gate.lease_renewed(clock.monotonic(), 60)
    return gate, clock


def test_it_opens_when_everything_is_proved() -> None:
    assert open_gate()[0].closed_because() is None


def test_a_new_one_is_shut() -> None:
    assert Gate(FakeClock()).closed_because() == "trading is halted: not read yet"


def test_a_halt_shuts_it() -> None:
    gate, _ = open_gate()
    gate.refresh(state=TradingState.HALTED, reason="drill")
    assert gate.closed_because() == "trading is halted: drill"


def test_reducing_does_not_shut_it() -> None:
    gate, _ = open_gate()
    gate.refresh(state=TradingState.REDUCING, reason="drill")
    assert gate.closed_because() is None


def test_a_state_not_read_for_a_second_shuts_it() -> None:
    gate, clock = open_gate()
    clock.advance(1.0)
    assert gate.closed_because() is None
    clock.advance(0.001)
    assert gate.closed_because() == "trading state not read for more than a second; treated as halted"


def test_limits_not_read_lately_shut_it() -> None:
    gate, clock = open_gate()
    asked_at = clock.monotonic()
    clock.advance(2.5)
    gate.refresh(state=TradingState.ACTIVE, reason="")
    assert gate.closed_because() is None
    clock.advance(0.001)
    # An answer that took long tells what was in force when it was asked for, not now.
    gate.limits_read(asked_at)
    assert gate.closed_because() == "limits not read for more than 2.5 s; they may have been lowered"


def test_a_lease_that_runs_out_shuts_it_a_second_early() -> None:
    gate, clock = open_gate()
    gate.lease_renewed(clock.monotonic(), 5)
    for seconds, is_open in ((4.0, True), (0.001, False)):
        clock.advance(seconds)
        gate.refresh(state=TradingState.ACTIVE, reason="")
        gate.limits_read(clock.monotonic())
        assert (gate.closed_because() is None) is is_open


def test_any_block_shuts_it_until_it_is_taken_away() -> None:
    gate, _ = open_gate()
    gate.block("feed", "no feed")
    gate.block("groups", "no groups")
    gate.unblock("feed")
    assert gate.closed_because() == "no groups"
    gate.unblock("groups")
    assert gate.closed_because() is None
