"""A WebSocket to an ASGI application without a server; `channels.testing` would need one more server package."""

from __future__ import annotations

from typing import Any

from asgiref.testing import ApplicationCommunicator


class Socket(ApplicationCommunicator):
    def __init__(self, application: Any, path: str, query: str, user: Any) -> None:
        scope = {"type": "websocket", "path": path, "query_string": query.encode(), "headers": [], "user": user}
        super().__init__(application, scope)

    async def connect(self) -> bool:
        await self.send_input({"type": "websocket.connect"})
        return (await self.receive_output())["type"] == "websocket.accept"

    async def receive_from(self) -> str:
        message = await self.receive_output()
        assert message["type"] == "websocket.send", message
        return message["text"]

    async def disconnect(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait()
