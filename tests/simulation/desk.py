"""One virtual loop with an exchange in it and craig's ways to it: requests, raw sockets, the gateway's socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import httpx2

from apps.gateway.kalshi.signing import Signer
from apps.gateway.kalshi.ws import KalshiSocket
from apps.simulation.exchange.app import WS_PATH
from apps.simulation.exchange.inprocess import InProcess
from apps.simulation.exchange.inprocess_socket import Socket
from apps.simulation.exchange.rest.call import BASE

from .venue import Client, Venue, key_of, make_venue
from .virtual import LoopClock, VirtualLoop, run_virtually

HOST = "http://exchange"
URI = f"ws://exchange{WS_PATH}"


class Desk:
    """A venue on a virtual loop with a way in."""

    def __init__(self, **config: Any) -> None:
        self.loop = VirtualLoop()
        self.clock = LoopClock(self.loop)
        self.venue: Venue = make_venue(clock=self.clock, **config)
        self.craig: Client = self.venue.clients["craig"]
        self.network = InProcess(self.venue.app)

    def run(self, script: Callable[[Desk], Awaitable[Any]]) -> Any:
        async def whole() -> Any:
            try:
                return await script(self)
            finally:
                await self.network.aclose()

        return run_virtually(self.loop, whole())

    async def send(self, method: str, target: str, body: Any = None, timeout_s: float = 5.0) -> httpx2.Response:
        content = b"" if body is None else json.dumps(body).encode()
        headers = self.craig.headers(method, BASE + target)
        async with self.network.client(timeout_s=timeout_s) as client:
            return await client.request(method, HOST + BASE + target, content=content, headers=headers)

    async def connect(self, **options: Any) -> Socket:
        return await self.network.connect(URI, additional_headers=self.craig.headers("GET", WS_PATH), **options)

    def socket(self) -> KalshiSocket:
        signer = Signer("craig", key_of("craig"), self.clock)
        return KalshiSocket(URI, signer, self.clock, Random(1), connect=self.network.connect)

    async def frames(self, socket: Socket) -> list[Any]:
        """Every frame that has come by now; one that is not JSON as its text."""
        await asyncio.sleep(0.001)
        found: list[Any] = []
        while socket.waiting:
            text = str(await socket.recv(decode=True))
            try:
                found.append(json.loads(text))
            except ValueError:
                found.append(text)
        return found

    async def listen(self, *channels: str, **params: Any) -> Socket:
        """A socket of craig's with these channels subscribed and the first frames read."""
        socket = await self.connect()
        command = {"id": 1, "cmd": "subscribe", "params": {"channels": list(channels), **params}}
        await socket.send(json.dumps(command))
        await self.frames(socket)
        return socket
