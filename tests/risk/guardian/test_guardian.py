"""The guardian acts on every way in that is left, on silence, and on nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from apps.engine.ports import VenueGroup
from apps.risk import blocks
from apps.risk.guardian import heartbeat
from apps.risk.guardian.asking import Tokens
from apps.risk.guardian.connection import Connection
from apps.risk.guardian.database import DatabaseAway
from apps.risk.guardian.guardian import Guardian
from apps.risk.guardian.request import KillRequest, kill_file_read, kill_file_write, kill_files_unrecorded
from apps.risk.guardian.runner import Known, Runner
from tests.simulation.virtual import LoopClock, VirtualLoop, run_virtually

from .faulty import FaultyVenue


class Away:
    """A database that is not there."""

    async def run(self, *_: object, **__: object) -> Any:
        raise DatabaseAway("refused")


class Scene:
    """A guardian, a venue and a clock, on a loop whose time jumps."""

    def __init__(self, venue: FaultyVenue | None = None) -> None:
        self.loop = VirtualLoop()
        self.clock = LoopClock(self.loop)
        self.venue = venue or FaultyVenue()
        self.stop = asyncio.Event()

    def guardian(self) -> Guardian:
        async def nothing() -> None:
            return None

        connection = Connection(self.venue, Tokens.basic(), nothing, nothing)
        return Guardian(Runner(connection, self.clock, Random(1), Away(), None))  # type: ignore[arg-type]

    def play(self, *acts: Coroutine[Any, Any, None], seconds: float, guardians: int = 1) -> None:
        """Guardians and acts side by side, for so many seconds."""

        async def all_of_it() -> None:
            running = [asyncio.create_task(self.guardian().run(self.stop)) for _ in range(guardians)]
            running.extend(asyncio.create_task(act) for act in acts)
            await asyncio.sleep(seconds)
            self.stop.set()
            await asyncio.gather(*running[:guardians])
            for task in running[guardians:]:
                task.cancel()

        run_virtually(self.loop, all_of_it())

    async def session(self, *, lives_s: float, ends_well: bool = False) -> None:
        """Beats once a second and then falls silent, after a goodbye if it ends well."""
        while self.loop.time() < lives_s:
            heartbeat.beat("main", self.clock.now_ms())
            await asyncio.sleep(1)
        if ends_well:
            heartbeat.beat("main", self.clock.now_ms(), is_stopped=True)

    async def at(self, seconds: float, do: Callable[[], object]) -> None:
        await asyncio.sleep(seconds)
        do()

    def at_time(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now_ms() / 1000, UTC)

    def press(self, scope: str = "global", scope_id: str = "", **fields: str) -> None:
        blocks.block_write_file(blocks.Block(scope, scope_id, "drill", "craig", self.at_time(), **fields))


def test_stop_file_alone_brings_the_ladder_down_within_a_second(run_dir: Path) -> None:
    """Redis, database, web and workers are all away."""
    scene, gone_at = Scene(), list[float]()
    scene.venue.stock(20, 2)

    def look(_: int) -> None:
        if not scene.venue.resting:
            gone_at.append(scene.loop.time())

    scene.venue.before_look = look
    scene.play(scene.at(2.0, lambda: scene.press(request_id="r-1")), seconds=8)
    assert scene.venue.resting == {}
    assert gone_at[0] - 2.0 < 0.5
    state = kill_file_read("r-1")
    assert state is not None
    assert (state["fields"]["outcome"], state["is_recorded"]) == ("proved_zero", False)
    assert [left["request"]["request_id"] for left in kill_files_unrecorded()] == ["r-1"]


class SwallowsOneCancel(FaultyVenue):
    """As `asyncio.wait_for` of Python 3.11 may, in the Redis client or anywhere else."""

    lost = 0

    async def groups(self) -> Sequence[VenueGroup]:
        try:
            await asyncio.sleep(4.0)
        except asyncio.CancelledError:
            if self.lost:
                raise
            self.lost = 1
        return []


def test_guardian_ends_even_when_a_cancel_is_lost(run_dir: Path) -> None:
    venue = SwallowsOneCancel()
    scene = Scene(venue)
    scene.play(seconds=2)
    assert venue.lost == 1
    assert scene.loop.time() < 10


def test_one_press_is_one_ladder_however_often_it_is_seen(run_dir: Path) -> None:
    scene = Scene()
    known = scene.venue.stock(4, 2)
    scene.play(scene.at(1.0, lambda: scene.press(request_id="r-1")), seconds=20)
    assert sorted(scene.venue.triggered) == sorted(known)


def test_file_made_by_hand_stops_everything(run_dir: Path) -> None:
    scene = Scene()
    scene.venue.stock(4, 2)
    scene.play(scene.at(1.0, (run_dir / "stop" / "STOP").touch), seconds=5)
    assert scene.venue.resting == {}


def test_two_guardians_at_once_are_harmless(run_dir: Path) -> None:
    scene = Scene()
    scene.venue.stock(20, 10)
    scene.play(scene.at(1.0, lambda: scene.press(request_id="r-1")), seconds=10, guardians=2)
    assert scene.venue.resting == {}


def test_command_is_left_to_its_own_ladder_unless_that_does_not_prove_zero(run_dir: Path) -> None:
    proved, broken = Scene(), Scene()
    for scene, outcome in ((proved, "proved_zero"), (broken, "blocked_only")):
        scene.venue.stock(4, 2)

        def press(scene: Scene = scene, outcome: str = outcome) -> None:
            scene.press(request_id=outcome, source="command")
            request = KillRequest(outcome, "global", "", "drill", "craig", scene.at_time(), "command")
            state = {"request": request.as_json(), "fields": {"outcome": outcome}, "is_recorded": False}
            kill_file_write(state, is_durable=False)

        scene.play(scene.at(1.0, press), seconds=10)
        blocks.block_clear(scope="global", scope_id="")
    assert len(proved.venue.resting) == 4
    assert broken.venue.resting == {}


def test_ladder_that_could_not_prove_zero_is_climbed_again_while_the_stop_stands(run_dir: Path) -> None:
    scene = Scene(FaultyVenue(faults=1.0))
    scene.venue.stock(4, 2)

    def mend() -> None:
        scene.venue.faults = 0.0

    scene.play(scene.at(1.0, lambda: scene.press(request_id="r-1")), scene.at(40.0, mend), seconds=60)
    assert scene.venue.resting == {}
    state = kill_file_read("r-1")
    assert state is not None
    assert state["fields"]["outcome"] == "proved_zero"


def test_session_that_dies_has_its_orders_taken_off_within_thirty_seconds(run_dir: Path) -> None:
    scene, gone_at = Scene(), list[float]()
    scene.venue.stock(20, 2)

    def look(_: int) -> None:
        if not scene.venue.resting:
            gone_at.append(scene.loop.time())

    scene.venue.before_look = look
    scene.play(scene.session(lives_s=10), seconds=60)
    assert 20 < gone_at[0] - 9.0 < 30
    assert len(scene.venue.triggered) == 2
    assert blocks.blocks_read_files() == [], "the account is not halted"
    states = kill_files_unrecorded()
    assert [state["is_dead_man"] for state in states] == [True]
    assert states[0]["fields"]["resting_before"] == 20
    assert states[0]["request"]["account"] == "main"


def test_death_while_the_exchange_is_out_of_reach_is_acted_on_when_it_is_back(run_dir: Path) -> None:
    scene = Scene(FaultyVenue(faults=1.0))
    scene.venue.stock(4, 2)

    def mend() -> None:
        scene.venue.faults = 0.0

    scene.play(scene.session(lives_s=2), scene.at(40.0, mend), seconds=60)
    assert scene.venue.resting == {}


def test_orders_that_turn_up_after_the_death_are_taken_off_as_well(run_dir: Path) -> None:
    scene = Scene()
    scene.venue.stock(4, 2)
    scene.play(scene.session(lives_s=2), scene.at(50.0, lambda: scene.venue.stock(1, 1, "KXLATE-1")), seconds=70)
    assert scene.venue.resting == {}


@pytest.mark.parametrize("ends_well", [False, True], ids=["quiet and alive", "ended in good order"])
def test_session_that_lives_or_says_goodbye_is_left_alone(run_dir: Path, ends_well: bool) -> None:
    """The negative control: nothing is traded for minutes, or the session is stopped for the night."""
    scene = Scene()
    scene.venue.stock(4, 2)
    scene.play(scene.session(lives_s=30 if ends_well else 1_000, ends_well=ends_well), seconds=300)
    assert scene.venue.triggered == []
    assert len(scene.venue.resting) == 4
    assert kill_files_unrecorded() == []


def test_silence_with_nothing_resting_is_no_event(run_dir: Path) -> None:
    scene = Scene()
    scene.play(scene.session(lives_s=2), seconds=120)
    assert kill_files_unrecorded() == []
    assert scene.venue.looks >= 3


def test_session_of_another_environment_is_not_ours_to_guard(run_dir: Path, settings: Any) -> None:
    scene = Scene()
    scene.venue.stock(4, 2)
    settings.KALSHI_ENVIRONMENT = "live"
    heartbeat.beat("main", scene.clock.now_ms())
    settings.KALSHI_ENVIRONMENT = "simulated"
    scene.play(seconds=60)
    assert len(scene.venue.resting) == 4


def test_clock_that_was_set_back_does_not_keep_a_dead_session_alive(run_dir: Path) -> None:
    scene = Scene()
    scene.venue.stock(4, 2)
    heartbeat.beat("main", scene.clock.now_ms() + 3_600_000)
    scene.play(seconds=60)
    assert scene.venue.resting == {}


def test_guardian_shows_its_own_life(run_dir: Path) -> None:
    scene, ages = Scene(), list[int | None]()
    assert heartbeat.guardian_age_ms(scene.clock.now_ms()) is None
    scene.play(scene.at(10.2, lambda: ages.append(heartbeat.guardian_age_ms(scene.clock.now_ms()))), seconds=12)
    assert ages[0] is not None
    assert ages[0] <= 1_000


def test_groups_and_rates_are_kept_for_the_command(run_dir: Path) -> None:
    scene = Scene()
    known = scene.venue.stock(4, 2)
    guardian = scene.guardian()
    guardian.runner.connection.tokens.write.refill_per_s = 300.0
    run_virtually(scene.loop, guardian._learn_groups())
    other = replace(guardian.runner.connection, tokens=Tokens.basic())
    assert Known.load(other).groups == tuple(known)
    assert other.tokens.write.refill_per_s == 300.0
    Known.path().write_text("{")
    assert Known.load(other).groups == ()


def test_part_that_breaks_ends_the_guardian_for_its_supervisor_to_see(run_dir: Path) -> None:
    class Broken(FaultyVenue):
        async def groups(self) -> Any:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Scene(Broken()).play(seconds=5)


def test_end_waits_for_the_ladder_it_has_begun(run_dir: Path) -> None:
    scene = Scene(FaultyVenue(trip_s=1.0))
    scene.venue.stock(4, 2)
    scene.play(scene.at(1.0, lambda: scene.press(request_id="r-1")), seconds=1.5)
    assert scene.venue.resting == {}
