"""Right before it leaves, an order is asked about once more: what it waited for may have taken seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx2
import pytest

from apps.engine.ports import OrderChange
from apps.engine.types import OrderIntent, Side, Ticker
from apps.gateway.errors import RequestRefused
from apps.gateway.kalshi.rest import KalshiRest
from tests.gateway.server import Connect, reply

INTENT = OrderIntent("c-1", "M-1", Side.BID, 5_000, 100)
ACK = reply(
    201, {"order_id": "o-1", "client_order_id": "c-1", "fill_count": "0.00", "remaining_count": "1.00", "ts_ms": 1}
)
Send = Callable[[KalshiRest], Awaitable[Any]]


class Gate:
    def __init__(self) -> None:
        self.why: str | None = None
        self.asked: list[tuple[Sequence[Ticker], Sequence[str]]] = []

    def __call__(self, tickers: Sequence[Ticker], creates: Sequence[str]) -> str | None:
        self.asked.append((tickers, creates))
        return self.why


@pytest.mark.parametrize(
    ("send", "asked"),
    [
        (lambda rest: rest.create_order(INTENT), (("M-1",), ("c-1",))),
        (
            lambda rest: rest.create_orders([INTENT, OrderIntent("c-2", "M-2", Side.ASK, 6_000, 100)]),
            (("M-1", "M-2"), ("c-1", "c-2")),
        ),
        (lambda rest: rest.amend_order(OrderChange("o-1", "c-1", "M-1", Side.BID, 4_900, 100)), (("M-1",), ())),
    ],
    ids=["create", "batch", "amend"],
)
async def test_what_was_stopped_while_it_waited_for_tokens_never_leaves(
    connect: Connect, send: Send, asked: tuple[tuple[str, ...], tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rest, server = connect()
    gate = rest.last_look = Gate()
    sleep = rest.budget._sleep

    async def stopped_meanwhile(seconds: float) -> None:
        gate.why = "halted"
        await sleep(seconds)

    monkeypatch.setattr(rest.budget, "_sleep", stopped_meanwhile)
    while rest.budget.bucket("write").take(10) == 0:
        pass
    with pytest.raises(RequestRefused, match="halted"):
        await send(rest)
    assert server.requests == []
    assert gate.asked == [asked]


async def test_what_was_stopped_while_it_waited_for_a_connection_never_leaves(connect: Connect) -> None:
    rest, server = connect()
    gate = rest.last_look = Gate()
    turn = rest._turns = asyncio.Semaphore(1)
    await turn.acquire()
    order = asyncio.create_task(rest.create_order(INTENT))
    await asyncio.sleep(0.01)
    gate.why = "halted"
    turn.release()
    with pytest.raises(RequestRefused, match="halted"):
        await order
    assert server.requests == []


async def test_an_open_gate_lets_an_order_through(connect: Connect) -> None:
    rest, server = connect(ACK)
    rest.last_look = Gate()
    assert (await rest.create_order(INTENT)).order_id == "o-1"
    assert len(server.requests) == 1


async def test_a_cancel_leaves_whatever_the_gate_says(connect: Connect) -> None:
    rest, server = connect(reply(200, {"order_id": "o-1", "reduced_by": "1.00", "ts_ms": 9}))
    gate = rest.last_look = Gate()
    gate.why = "halted"
    await rest.cancel_order("o-1", "M-1")
    assert len(server.requests) == 1
    assert gate.asked == []


async def test_as_many_turns_as_the_pool_has_connections(connect: Connect) -> None:
    """Else what has passed the last look would wait inside the pool."""
    given, _ = connect()
    own = KalshiRest("http://127.0.0.1:1/trade-api/v2", None, given.budget, given.clock)
    pool = own._client._transport._pool  # type: ignore[attr-defined]
    assert isinstance(own._turns, asyncio.Semaphore)
    assert own._turns._value == pool._max_connections
    assert isinstance(own._client, httpx2.AsyncClient)
    await own.aclose()
