"""Screens over a socket: rendered pieces, a few times a second at most, only those that changed.

A nudge only says "look again"; what is shown is always re-read. Without nudges it looks again every two seconds by
itself, so a lost one costs no more than that.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod
from typing import Any
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.utils import timezone
from redis.exceptions import RedisError

from apps.core.live import group_name
from apps.governance.people import sign_in_of, sign_in_over
from apps.risk.guardian.telling import topic
from apps.risk.models import KillRun
from apps.trading.selectors import account_default

from .fragments import render_parts
from .http import SEE
from .kill_progress import kill_progress
from .mission import facts_read, mission_build
from .state import Facts, Mission

COALESCE_S = 0.5
KILL_COALESCE_S = 0.1
SLOW_S = 2.0
FACTS_S = 1.0
WHOLE_S = 5.0
SIGNED_OUT = 4401

log = logging.getLogger(__name__)


class ScreenConsumer(AsyncWebsocketConsumer, ABC):
    """Sends what `render` returns, whenever it changed, to whoever holds `right` and is signed in as pages ask for it.

    Both are looked at again while the socket is open. Where it may be opened from, `kalshiops/asgi.py` decides.
    """

    topic = "mission"
    right: str

    async def connect(self) -> None:
        self._task: asyncio.Task[None] | None = None
        user = self.scope.get("user")
        if user is None or not user.is_authenticated:
            await self.close()
            return
        self._user_id, self._session_key = user.pk, self.scope["session"].session_key
        if not await database_sync_to_async(self.may_see)():
            await self.close()
            return
        self._sent: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._changed.set()
        self.prepare()
        await self.accept()
        try:
            await self.channel_layer.group_add(group_name(self.topic), self.channel_name)
        except (RedisError, OSError):
            log.warning("no nudges: the channel layer is away; sending at the slow pace")
        self._task = asyncio.create_task(self._send_changes())

    async def disconnect(self, code: int) -> None:
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        with contextlib.suppress(RedisError, OSError):
            await self.channel_layer.group_discard(group_name(self.topic), self.channel_name)

    async def live_changed(self, event: dict[str, Any]) -> None:
        self._changed.set()

    def prepare(self) -> None:
        """Reads the address, before anything is sent."""

    def coalesce_s(self) -> float:
        return COALESCE_S

    @abstractmethod
    def render(self) -> dict[str, str] | None:
        """HTML by part; None once this person may no longer see it. Runs on a thread with the database."""

    def may_see(self) -> bool:
        user = User.objects.filter(pk=self._user_id, is_active=True, is_staff=True).first()
        if user is None or not user.has_perm(self.right):
            return False
        row = sign_in_of(user, self._session_key)
        return row is not None and sign_in_over(row, user, now=timezone.now()) is None

    async def _send_changes(self) -> None:
        clock = asyncio.get_running_loop().time
        whole_at = clock()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), SLOW_S)
            self._changed.clear()
            if clock() - whole_at >= WHOLE_S:
                # Everything again, which repairs whatever a page missed or put off.
                self._sent, whole_at = {}, clock()
            parts = await database_sync_to_async(self.render)()
            if parts is None:
                await self.close(SIGNED_OUT)
                return
            fresh = [html for name, html in parts.items() if self._sent.get(name) != html]
            self._sent = parts
            if fresh:
                await self.send("\n".join(fresh))
            await asyncio.sleep(self.coalesce_s())


class LiveConsumer(ScreenConsumer):
    """Mission control: `ws/live/?market=…&q=…`, at most twice a second."""

    right = SEE

    def prepare(self) -> None:
        query = parse_qs(self.scope["query_string"].decode())
        self._selected = query.get("market", [""])[0]
        self._query = query.get("q", [""])[0]
        self._facts: Facts | None = None

    def render(self) -> dict[str, str] | None:
        now = timezone.now()
        if self._facts is None or (now - self._facts.read_at).total_seconds() >= FACTS_S:
            if not self.may_see():
                return None
            self._facts = facts_read(account=account_default(), now=now)
        return render_parts(self._mission(now))

    def _mission(self, now: Any) -> Mission:
        return mission_build(selected=self._selected, query=self._query, now=now, facts=self._facts)


class KillConsumer(ScreenConsumer):
    """The progress of one stop: `ws/kill/<id>/`, each step within a tenth of a second."""

    right = SEE

    def prepare(self) -> None:
        self._key = int(self.scope["url_route"]["kwargs"]["key"])
        self.topic = topic(self._key)

    def coalesce_s(self) -> float:
        return KILL_COALESCE_S

    def render(self) -> dict[str, str] | None:
        run = KillRun.objects.select_related("pressed_by").filter(pk=self._key).first()
        if run is None or not self.may_see():
            return None
        now = timezone.now()
        context = {"now": now, "kill": kill_progress(run, now=now), "oob": True, "fragment": True}
        return {"progress": render_to_string("console/_kill_progress.html", context).strip()}
