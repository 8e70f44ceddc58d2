"""One episode: a seeded world, trading under faults, a calm, a stop, and the checks."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from apps.engine.switches.catalogue import SWITCHES
from apps.risk.blocks import BlocksUnreadable, blocks_read_files
from apps.risk.choices import State
from apps.risk.models import TradingState
from apps.trading.choices import SessionState
from apps.trading.models import CashEntry, Order

from .acts_desk import still_waiting
from .checks import check_calm, check_end
from .database import MemoryDatabase, outside_loop
from .director import Director
from .faults import FaultKind
from .folders import run_folder
from .ground import allowed_now, arrange, draw_setup
from .loop import VirtualLoop
from .world import Runner, World

SHORT_S, LONG_S = (3.0, 9.0), (40.0, 60.0)
LONG_IN = 50
"""One episode in so many is long enough for orders to be renewed."""
CALM_MIN_S, CALM_S, LOOK_S = 1.0, 14.0, 0.5
FULL_CALM_IN = 12
"""One calm in so many lasts its full time, for what goes wrong only then; the others end when all is well."""
SERVING_S, RECOVERY_S = 30.0, 6.0
RELEASE_S = 20.0
"""Automatic switches let go some seconds after their input is good again."""
SLOW_SWITCHES = ("K5",)
"""API errors count for a minute, longer than a calm."""
CAUSES = {"K11": (FaultKind.FEE_CHANGED,), "K16": (FaultKind.LIMIT_LOWERED,)}
"""What may make a switch stop trading until people resume; everything else here is no reason to."""
READ_LAG_S = 1.5
"""What the exchange did last must be visible in its records before a session may end."""
STOP_S = 60.0
BURY_TURNS = 200


@dataclass(slots=True)
class Result:
    """What one episode came to. `problems` empty is a pass."""

    seed: int
    digest: str = ""
    problems: list[str] = field(default_factory=list)
    faults: dict[str, int] = field(default_factory=dict)
    virtual_s: float = 0.0
    orders: int = 0
    fills: int = 0
    sessions: int = 0
    ends: list[str] = field(default_factory=list)
    lines: list[str] | None = None


def run_episode(database: MemoryDatabase, seed: int, *, keep_trace: bool = False) -> Result:
    """Runs it to its end on a loop of its own; never raises for what the system under test does."""
    result = Result(seed)
    with database.installed(), run_folder(), _quiet_logs():
        database.restore()
        loop = VirtualLoop()
        noise: list[str] = []
        loop.set_exception_handler(lambda _, context: noise.append(_noise(context)))
        try:
            loop.run_until_complete(_episode(loop, seed, result, keep_trace=keep_trace))
        except Exception as error:  # noqa: BLE001  one seed that breaks the checks must not end all the others
            result.problems.append(f"the episode itself failed: {error!r}")
        finally:
            loop.close()
    result.problems += noise
    return result


async def _episode(loop: VirtualLoop, seed: int, result: Result, *, keep_trace: bool) -> None:
    rng = Random(seed)
    markets = rng.randint(1, 3)
    world = World(loop, rng, markets=markets, keep_trace=keep_trace)
    setup = draw_setup(rng, list(world.exchange.state.catalogue.markets))
    world.trading_account = outside_loop(arrange, setup)
    world.rules.change(float("-inf"), outside_loop(allowed_now))
    world.trace.note("setup", repr(setup))
    runner = Runner(world, "runner")
    guardian = Runner(world, "guardian", world.serve_guardian)
    director = Director(world, runner, guardian, rng)
    length_s = rng.uniform(*(LONG_S if rng.randrange(LONG_IN) == 0 else SHORT_S))
    calm_s = CALM_S if rng.randrange(FULL_CALM_IN) == 0 else CALM_MIN_S
    director.plan(length_s)
    if not director.needs_guardian:
        guardian.serve = world.pretend_guardian
    world.spawn(guardian.run())
    flow = asyncio.create_task(world.flow())
    running = asyncio.create_task(runner.run())
    acting = asyncio.create_task(director.run())
    try:
        await asyncio.sleep(length_s)
        await acting
        director.calm()
        await asyncio.sleep(calm_s)
        result.problems += await _settle(world, runner)
        await _stop(world, runner, result)
        result.problems += outside_loop(check_end, world)
    finally:
        result.problems[:0] = world.watch.problems
        _report(world, result)
        world.is_over = True
        running.cancel()
        await flow
        await _bury(world)


async def _stop(world: World, runner: Runner, result: Result) -> None:
    """Ends the session, and recovers once more when it did not end with everything in order."""
    world.is_crowd_quiet = True
    for _ in range(3):
        runner.retire()
        try:
            await asyncio.wait_for(runner.ended.wait(), STOP_S)
        except TimeoutError:
            result.problems.append("the session does not stop")
            return
        if world.ends and world.ends[-1].endswith(SessionState.STOPPED.value):
            return
        await asyncio.sleep(6.0)
        runner = Runner(world, "last")
        world.spawn(runner.run())
        await asyncio.sleep(8.0)
    result.problems.append(f"no session ended in order: {world.ends[-1]}")


async def _settle(world: World, runner: Runner) -> list[str]:
    """Waits until all is well again; what is not by the end of the calm is a problem."""
    calm_end_s = world.loop.time() + CALM_S - CALM_MIN_S
    # A lease taken by a clock that was ahead holds until the clock is there; nobody can trade before.
    serving_end_s = calm_end_s + SERVING_S
    name = ""
    while True:
        now_s, serving = world.loop.time(), _serving(world, runner)
        if serving is None:
            if now_s >= serving_end_s:
                return ["no session serves after the calm"]
        else:
            if serving != name:
                name, calm_end_s = serving, max(calm_end_s, now_s + RECOVERY_S)
            is_over = now_s >= calm_end_s + (RELEASE_S if _holds(world) else 0.0)
            problems = outside_loop(_check_alive, world) + outside_loop(check_calm, world, is_patient=is_over)
            if is_over or (not problems and now_s >= world.quiet_from_s + READ_LAG_S):
                return problems
        await asyncio.sleep(LOOK_S)


def _serving(world: World, runner: Runner) -> str | None:
    """Name of the process that runs the newest session, if it still does."""
    newest = world.sessions[-1][0] if world.sessions else None
    return newest if runner.process is not None and newest == runner.process.name else None


def _holds(world: World, *keys: str) -> bool:
    """Whether nothing but automatic switches (of these keys, if any are given) keeps the gate shut."""
    blocks = [block.split() for block in world.sessions[-1][1].context.gate.blocks]
    return bool(blocks) and all(words[0] == "switch" and (not keys or words[1] in keys) for words in blocks)


def _switch_stops() -> list[str]:
    """Reasons of what stands stopped by a switch and waits for people; each begins with the switch's key."""
    reasons = TradingState.objects.exclude(state=State.ACTIVE).values_list("reason", flat=True)
    return [reason for reason in reasons if reason.split(" ")[0] in SWITCHES]


def _is_explained(world: World, reason: str) -> bool:
    return any(world.faults.counts[kind] for kind in CAUSES.get(reason.split(" ")[0], ()))


def _check_alive(world: World) -> list[str]:
    """After the calm a session must be trading again, unless trading stands stopped, by people or by a switch."""
    try:
        is_stopped = bool(blocks_read_files()) or TradingState.objects.exclude(state=State.ACTIVE).exists()
    except BlocksUnreadable as error:
        return [str(error)]
    if unexplained := [text for text in _switch_stops() if not _is_explained(world, text)]:
        return [f"a switch stopped trading without a cause: {text}" for text in unexplained]
    context = world.sessions[-1][1].context
    closed = context.gate.closed_because()
    if closed is not None and not is_stopped and not _holds(world, *SLOW_SWITCHES):
        return [f"nothing may be sent after the calm: {closed}"]
    unseen = [o.client_order_id for t in context.desks for o in context.blotter.unseen(t)]
    if unseen:
        return [f"fills of {', '.join(unseen)} are waited for that never happened"]
    if closed is None and (waiting := still_waiting()):
        return waiting
    if is_stopped and TradingState.objects.filter(state=State.HALTED).exists() and world.account.resting:
        return [f"{len(world.account.resting)} orders rest while trading is halted"]
    return []


def _report(world: World, result: Result) -> None:
    result.faults = dict(sorted(world.faults.counts.items()))
    result.virtual_s = world.loop.time()
    result.orders = len(world.account.orders)
    result.fills = len(world.account.fills)
    result.sessions = len(world.sessions)
    result.ends = world.ends
    outside_loop(_digest_records, world)
    result.digest = world.trace.digest
    result.lines = world.trace.lines


def _digest_records(world: World) -> None:
    for row in Order.objects.order_by("id").values_list("client_order_id", "status", "filled"):
        world.trace.note("order", repr(row))
    for entry in CashEntry.objects.order_by("id").values_list("kind", "reference", "amount"):
        world.trace.note("cash", repr(entry))


async def _bury(world: World) -> None:
    """Ends what killed and left-over processes still hold, so that nothing of them runs later."""
    left: list[asyncio.Task[Any]] = []
    for process in world.processes:
        left += process.bury()
    world.close()
    for _ in range(BURY_TURNS):
        left = [task for task in left if not task.done()]
        if not left:
            return
        await asyncio.sleep(0.05)
        for task in left:
            task.cancel()


def _noise(context: dict[str, Any]) -> str:
    return f"event loop: {context.get('message')}: {context.get('exception')!r}"


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """What sessions log under faults is expected; a replay's trace tells it better. No collector in between."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        logging.disable(before)
