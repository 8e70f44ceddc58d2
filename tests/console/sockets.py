"""A WebSocket to an ASGI application without a server; `channels.testing` would need one more server package."""

from __future__ import annotations

from typing import Any

from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from django.contrib.sessions.backends.base import SessionBase
from django.utils import timezone

from apps.governance.models import SignIn
from apps.governance.people import session_digest


class Browser(SessionBase):
    """The session of somebody who signed in, as far as a socket looks at it."""

    def __init__(self, key: str) -> None:
        super().__init__(key)

    def signs_in(self, user: Any) -> None:
        now = timezone.now()
        values = {"user": user, "method": "totp", "started_at": now, "seen_at": now}
        SignIn.objects.get_or_create(session_digest=session_digest(self.session_key), defaults=values)


class Socket(ApplicationCommunicator):
    def __init__(self, application: Any, path: str, query: str, user: Any) -> None:
        self._user, self._browser = user, Browser(f"browser-of-{user.pk}")
        scope = {"type": "websocket", "path": path, "query_string": query.encode(), "headers": [], "user": user}
        super().__init__(application, scope | {"session": self._browser})

    async def connect(self, *, signed_in: bool = True) -> bool:
        if signed_in and self._user.is_authenticated:
            await database_sync_to_async(self._browser.signs_in)(self._user)
        await self.send_input({"type": "websocket.connect"})
        return (await self.receive_output())["type"] == "websocket.accept"

    async def receive_from(self) -> str:
        message = await self.receive_output()
        assert message["type"] == "websocket.send", message
        return message["text"]

    async def disconnect(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait()
