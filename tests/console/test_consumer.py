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
