"""The way of a REST request to the exchange and back, in virtual time and with faults."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, MutableMapping
from contextvars import Context
from random import Random
from typing import Any

import httpx2

from apps.simulation.exchange.app import App

from .drift import drifted
from .faults import Arm, FaultKind, Faults
from .trace import Trace

TIMEOUT_S = 10.0
"""Of the client; a request that lies around longer than a little more than this never arrives."""
LATEST_ARRIVAL_S = 12.0
REQUEST_KINDS = (
    FaultKind.REQUEST_REFUSED,
    FaultKind.REQUEST_LOST,
    FaultKind.REPLY_LOST,
    FaultKind.REPLY_RESET,
    FaultKind.REQUEST_DELAYED,
    FaultKind.REPLY_CUT,
    FaultKind.REPLY_OTHER_ORDER,
    FaultKind.RATE_LIMITED,
    FaultKind.SERVER_ERROR_BEFORE,
    FaultKind.SERVER_ERROR_AFTER,
    FaultKind.UNAUTHORIZED,
    FaultKind.FORBIDDEN,
    FaultKind.REPLY_DRIFTED,
)
_ERRORS = {
    FaultKind.RATE_LIMITED: (429, b'{"error":{"code":"too_many_requests","message":"too many requests"}}'),
    FaultKind.SERVER_ERROR_BEFORE: (503, b'{"error":{"code":"service_unavailable","message":"service unavailable"}}'),
    FaultKind.SERVER_ERROR_AFTER: (503, b'{"error":{"code":"service_unavailable","message":"service unavailable"}}'),
    FaultKind.UNAUTHORIZED: (401, b'{"error":{"code":"authentication_error","message":"authentication_error"}}'),
    FaultKind.FORBIDDEN: (403, b'{"error":{"code":"forbidden","message":"forbidden"}}'),
}
_NO_EFFECT = frozenset(
    {FaultKind.RATE_LIMITED, FaultKind.SERVER_ERROR_BEFORE, FaultKind.UNAUTHORIZED, FaultKind.FORBIDDEN}
)
_NO_REPLY = frozenset({FaultKind.REQUEST_LOST, FaultKind.REPLY_LOST})

Reply = tuple[int, list[tuple[bytes, bytes]], bytes]
Arrival = Callable[[str, str, bytes], None]


class Wire(httpx2.AsyncBaseTransport):
    """An HTTP transport of one process. `on_send(method, path, body)` hears every request as it leaves;
    `on_arrival` just before the exchange handles it."""

    def __init__(
        self,
        app: App,
        faults: Faults,
        trace: Trace,
        rng: Random,
        outside: Context,
        *,
        on_send: Arrival,
        on_arrival: Arrival,
    ) -> None:
        self._app = app
        self._faults = faults
        self._trace = trace
        self._rng = rng
        self._outside = outside
        self._on_send = on_send
        self._on_arrival = on_arrival
        self._serving: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        method, target = request.method, request.url.raw_path.decode("ascii")
        path, _, query = target.partition("?")
        arm = self._faults.take(self._faults.requests, f"{method} {path}")
        kind = None if arm is None else arm.kind
        body = request.content
        self._on_send(method, path, body)
        self._trace.note("request", f"{method} {target} {body.decode()} {kind or ''}")
        if kind is FaultKind.REQUEST_REFUSED:
            raise httpx2.ConnectError("connection refused", request=request)
        up, down = self._waits(arm)
        answer: list[Reply] = []
        if kind not in _NO_EFFECT and kind is not FaultKind.REQUEST_LOST and up <= LATEST_ARRIVAL_S:
            self._deliver(up, (method, path, query, request.headers.raw, body), answer)
        if kind in _NO_REPLY or up + down > TIMEOUT_S:
            await asyncio.sleep(TIMEOUT_S)
            raise httpx2.ReadTimeout("no reply", request=request)
        await asyncio.sleep(up + down)
        if kind is FaultKind.REPLY_RESET:
            raise httpx2.ReadError("connection reset", request=request)
        status, headers, payload = self._answer(kind, answer)
        self._trace.note("reply", f"{method} {path} {status} {payload[:400].decode()}")
        return httpx2.Response(status, headers=headers, content=payload, request=request)

    def _waits(self, arm: Arm | None) -> tuple[float, float]:
        up, down = 0.002 + self._rng.random() * 0.03, 0.002 + self._rng.random() * 0.03
        if arm is not None and arm.kind is FaultKind.REQUEST_DELAYED:
            return (up + arm.amount, down) if self._rng.random() < 0.5 else (up, down + arm.amount)
        return up, down

    def _answer(self, kind: FaultKind | None, answer: list[Reply]) -> Reply:
        if kind in _ERRORS:
            status, payload = _ERRORS[kind]
            return status, [(b"content-type", b"application/json")], payload
        status, headers, payload = answer[0]
        if kind is FaultKind.REPLY_CUT:
            payload = payload[: len(payload) // 2]
        elif kind is FaultKind.REPLY_OTHER_ORDER:
            payload = self._about_another(payload)
        elif kind is FaultKind.REPLY_DRIFTED:
            payload = drifted(payload, self._rng)
        return status, [h for h in headers if h[0] != b"content-length"], payload

    def _about_another(self, payload: bytes) -> bytes:
        """The same kind of reply, about an order that it is not about."""
        try:
            body = json.loads(payload)
        except ValueError:
            return payload
        for item in [body, *body.get("orders", [])]:
            for name in ("order_id", "client_order_id"):
                if name in item:
                    item[name] = f"other-{item[name][6:]}"
        return json.dumps(body).encode()

    def _deliver(self, up: float, parts: tuple[str, str, str, Any, bytes], answer: list[Reply]) -> None:
        loop = asyncio.get_running_loop()

        def arrive() -> None:
            self._on_arrival(parts[0], parts[1], parts[4])
            task = loop.create_task(self._serve(parts, answer), context=self._outside)
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)

        loop.call_at(loop.time() + up, arrive, context=self._outside)

    async def _serve(self, parts: tuple[str, str, str, Any, bytes], answer: list[Reply]) -> None:
        method, path, query, headers, body = parts
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower(), value) for name, value in headers],
        }
        head: dict[str, Any] = {}

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": body}

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                head.update(message)
            else:
                answer.append((head["status"], head["headers"], message.get("body", b"")))

        await self._app(scope, receive, send)
