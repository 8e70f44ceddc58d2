"""Ending tasks: all of them end, also one that lost a cancel."""

from __future__ import annotations

import asyncio

import pytest

from apps.core import shutdown


async def test_a_task_that_lost_a_cancel_is_canceled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutdown, "CANCEL_AGAIN_S", 0.01)
    lost: list[str] = []

    async def loses_one() -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if lost:
                    raise
                lost.append("one")

    async def fails() -> None:
        raise ValueError("as it should be told")

    tasks = [asyncio.create_task(loses_one()), asyncio.create_task(fails())]
    await asyncio.sleep(0)
    ended, failed = await asyncio.wait_for(shutdown.tasks_end(tasks), 5)
    assert lost == ["one"]
    assert isinstance(ended, asyncio.CancelledError)
    assert isinstance(failed, ValueError)


async def test_nothing_to_end() -> None:
    assert await shutdown.tasks_end([]) == []
