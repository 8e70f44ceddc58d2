"""The socket: who may open it, what comes, how often."""

from __future__ import annotations

from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from channels.routing import URLRouter
from django.contrib.auth.models import AnonymousUser

from apps.console import consumers
from apps.console.routing import websocket_urlpatterns
from apps.risk.models import KillRun
from tests import factories as make

from . import payload
from .sockets import Socket

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "COALESCE_S", 0.02)
    monkeypatch.setattr(consumers, "SLOW_S", 0.1)


async def opened(user: Any, query: str = "") -> tuple[bool, Socket]:
    socket = Socket(URLRouter(websocket_urlpatterns), "/ws/live/", query, user)
    return await socket.connect(), socket


async def nudge() -> None:
    await get_channel_layer().group_send("live.mission", {"type": "live.changed", "topic": "mission"})


async def test_anonymous_is_refused() -> None:
    connected, _ = await opened(AnonymousUser())
    assert not connected


async def test_somebody_who_is_not_staff_is_refused() -> None:
    eve = await database_sync_to_async(make.user)("eve", is_staff=False)
    connected, _ = await opened(eve)
    assert not connected


async def test_pieces_come_at_once_and_only_changed_ones_after_a_nudge(topics: dict[str, Any]) -> None:
    topics |= {"mission": payload.mission(), f"book.{payload.TICKER}": payload.book()}
    dave = await database_sync_to_async(make.user)("dave")
    connected, socket = await opened(dave, f"market={payload.TICKER}")
    assert connected
    first = await socket.receive_from()
    assert first.count("hx-swap-oob") == 10
    topics["mission"] = payload.mission(fills=[])
    await nudge()
    second = await socket.receive_from()
    assert "No fills yet." in second
    assert 'id="markets"' not in second
    await socket.disconnect()


async def test_many_nudges_become_one_message(topics: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "COALESCE_S", 0.15)
    topics["mission"] = payload.mission()
    dave = await database_sync_to_async(make.user)("dave")
    _, socket = await opened(dave)
    await socket.receive_from()
    topics["mission"] = payload.mission(fills=[])
    for _ in range(20):
        await nudge()
    await socket.receive_from()
    assert await socket.receive_nothing(timeout=0.1)
    await socket.disconnect()


async def test_it_looks_again_without_any_nudge(topics: dict[str, Any]) -> None:
    topics["mission"] = payload.mission()
    dave = await database_sync_to_async(make.user)("dave")
    _, socket = await opened(dave)
    await socket.receive_from()
    del topics["mission"]
    assert "These numbers come from the database" in await socket.receive_from()
    await socket.disconnect()


async def test_everything_is_sent_again_now_and_then(topics: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "WHOLE_S", 0)
    topics["mission"] = payload.mission()
    dave = await database_sync_to_async(make.user)("dave")
    _, socket = await opened(dave)
    await socket.receive_from()
    assert (await socket.receive_from()).count("hx-swap-oob") == 10
    await socket.disconnect()


async def test_somebody_who_lost_the_right_is_cut_off(topics: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "FACTS_S", 0)
    topics["mission"] = payload.mission()
    dave = await database_sync_to_async(make.user)("dave")
    _, socket = await opened(dave)
    await socket.receive_from()
    dave.is_active = False
    await database_sync_to_async(dave.save)()
    assert (await socket.receive_output())["code"] == consumers.SIGNED_OUT


def kill_run() -> KillRun:
    return KillRun.objects.create(scope="global", reason="drill", pressed_at=make.NOW, blocked_at=make.NOW)


async def kill_socket(key: int, user: Any) -> tuple[bool, Socket]:
    socket = Socket(URLRouter(websocket_urlpatterns), f"/ws/kill/{key}/", "", user)
    return await socket.connect(), socket


async def test_each_step_of_a_stop_comes_as_it_is_published(
    topics: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "SLOW_S", 5.0)
    run = await database_sync_to_async(kill_run)()
    connected, socket = await kill_socket(run.pk, await database_sync_to_async(make.user)("dave"))
    assert connected
    assert "waiting for the guardian" in await socket.receive_from()
    step = {"at": make.NOW.isoformat(), "step": "triggered", "text": "3 of 4 order groups triggered"}
    topics[f"kill.{run.pk}"] = {"outcome": "running", "steps": [step], "groups_total": 4, "groups_triggered": 3}
    await get_channel_layer().group_send(f"live.kill.{run.pk}", {"type": "live.changed", "topic": f"kill.{run.pk}"})
    html = await socket.receive_from()
    assert "3 of 4 order groups triggered" in html
    assert 'id="progress"' in html
    assert 'id="announce" hx-swap-oob="innerHTML"' in html
    await socket.disconnect()


async def test_the_progress_of_a_stop_is_for_staff_only() -> None:
    run = await database_sync_to_async(kill_run)()
    eve = await database_sync_to_async(make.user)("eve", is_staff=False)
    assert not (await kill_socket(run.pk, eve))[0]
    assert not (await kill_socket(run.pk, AnonymousUser()))[0]


async def test_a_stop_that_is_not_there_is_closed() -> None:
    _, socket = await kill_socket(99, await database_sync_to_async(make.user)("dave"))
    assert (await socket.receive_output())["type"] == "websocket.close"


async def test_the_progress_ends_for_somebody_who_lost_the_right(topics: dict[str, Any]) -> None:
    run = await database_sync_to_async(kill_run)()
    dave = await database_sync_to_async(make.user)("dave")
    _, socket = await kill_socket(run.pk, dave)
    await socket.receive_from()
    dave.is_staff = False
    await database_sync_to_async(dave.save)()
    assert (await socket.receive_output())["code"] == consumers.SIGNED_OUT
