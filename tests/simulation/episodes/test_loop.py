"""Virtual time, and processes that end or stand still between two steps."""

from __future__ import annotations

import asyncio

import pytest

from apps.simulation.episodes.loop import Deadlock, Process, VirtualLoop


def test_an_hour_passes_at_once() -> None:
    loop = VirtualLoop()
    loop.run_until_complete(asyncio.sleep(3_600))
    assert loop.time() == pytest.approx(3_600)
    loop.close()


def test_when_nothing_can_happen_any_more_it_says_so() -> None:
    loop = VirtualLoop()
    waiting = loop.create_future()
    with pytest.raises(Deadlock):
        loop.run_until_complete(waiting)
    loop.close()


async def _count(seen: list[str], name: str) -> None:
    try:
        for number in range(1_000):
            seen.append(f"{name}{number}")
            await asyncio.sleep(1.0)
    finally:
        seen.append(f"{name} cleaned up")


def _with_process(script: list[tuple[float, str]]) -> list[str]:
    """What a process has done after the script of (second, act on it); the world itself ends after it."""
    loop, seen = VirtualLoop(), list[str]()

    async def world() -> None:
        process = Process(loop, "p")
        process.start(_count(seen, "p"))
        for at_s, act in script:
            await asyncio.sleep(at_s - loop.time())
            getattr(process, act)()
        await asyncio.sleep(2.6)
        seen.append("over")
        await asyncio.gather(*process.bury(), return_exceptions=True)

    loop.run_until_complete(world())
    loop.close()
    return seen[: seen.index("over")]


def test_a_killed_process_takes_no_further_step_not_even_to_clean_up() -> None:
    assert _with_process([(2.5, "kill")]) == ["p0", "p1", "p2"]


def test_a_frozen_process_goes_on_where_it_stood() -> None:
    assert _with_process([(1.5, "freeze"), (4.5, "thaw")]) == ["p0", "p1", "p2", "p3", "p4"]


def test_a_process_can_be_killed_at_a_given_step() -> None:
    loop, seen = VirtualLoop(), list[str]()

    async def world() -> None:
        process = Process(loop, "p")
        process.kill_at_step = 5
        died = asyncio.Event()
        process.on_death.append(died.set)
        process.start(_count(seen, "p"))
        await died.wait()
        assert process.steps == 5
        await asyncio.gather(*process.bury(), return_exceptions=True)

    loop.run_until_complete(world())
    loop.close()
    assert len([name for name in seen if name != "p cleaned up"]) < 5
