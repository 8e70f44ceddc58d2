"""A scripted exchange behind the REST client: it plays its answers in order and remembers the requests."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2

from apps.gateway.kalshi.rest import KalshiRest

BASE = "https://exchange.test/trade-api/v2"
Step = httpx2.Response | Exception


def reply(status: int = 200, body: Any = None, *, text: str | None = None, date: str | None = None) -> httpx2.Response:
    headers = {} if date is None else {"Date": date}
    return httpx2.Response(status, text=json.dumps(body) if text is None else text, headers=headers)


class Server:
    """Plays its steps in order, the last one for ever."""

    def __init__(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        step = self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]
        if isinstance(step, Exception):
            raise step
        return httpx2.Response(step.status_code, content=step.content, headers=step.headers)

    @property
    def body(self) -> Any:
        return json.loads(self.requests[-1].content)


Connect = Callable[..., tuple[KalshiRest, Server]]
