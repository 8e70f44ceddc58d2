"""`run_exchange --state` ended by SIGKILL and by SIGTERM, and started again."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives import serialization

from apps.gateway.clock import SystemClock
from apps.gateway.kalshi.signing import Signer
from apps.simulation.exchange.rest.call import BASE

from .venue import ORDERS, key_of

ROOT = Path(__file__).parents[2]
BTC = ROOT / "tests" / "data" / "ws" / "kxbtc15m_20260513T1541Z_head.jsonl.gz"
LOOP = ("--recording", str(BTC), "--loop", "--speed", "5")
STILL = ("--markets", "2", "--rate", "0")


@dataclass
class Running:
    """The command in a process of its own, and a client that signs as craig."""

    process: Process
    client: httpx2.AsyncClient
    signer: Signer

    async def call(self, method: str, target: str, body: Any = None) -> Any:
        path = BASE + target
        headers = self.signer.headers(method, path.partition("?")[0])
        response = await self.client.request(method, path, json=body, headers=headers)
        assert response.status_code in (200, 201), response.text
        return response.json()

    async def buy(self, ticker: str, number: int, price: str, *, rest: bool = False) -> Any:
        body = {
            "ticker": ticker,
            "side": "bid",
            "price": price,
            "count": "1.00",
            "client_order_id": f"n{number}",
            "time_in_force": "good_till_canceled" if rest else "immediate_or_cancel",
            "self_trade_prevention_type": "taker_at_cross",
        }
        return await self.call("POST", ORDERS, body)

    async def ticker(self) -> str:
        body = await self.call("GET", "/markets?status=open")
        return str(body["markets"][0]["ticker"])

    async def reads(self) -> dict[str, Any]:
        balance = await self.call("GET", "/portfolio/balance")
        found: dict[str, Any] = {"cash": balance["balance_dollars"]}
        for name, target in (
            ("orders", "/portfolio/orders"),
            ("fills", "/portfolio/fills"),
            ("market_positions", "/portfolio/positions?settlement_status=all"),
            ("settlements", "/portfolio/settlements"),
        ):
            joint = "&" if "?" in target else "?"
            found[name] = (await self.call("GET", f"{target}{joint}limit=1000"))[name]
        return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    public = key_of("craig").public_key()
    encoded = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pub.pem").write_bytes(encoded)
    return tmp_path


@asynccontextmanager
async def running(folder: Path, *flow: str) -> AsyncIterator[Running]:
    key = ("--key-id", "craig", "--public-key", str(folder / "key.pub.pem"), "--tier", "prestige")
    state = ("--state", str(folder / "state.jsonl"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "manage.py", "run_exchange", "--port", "0", *key, *state, *flow),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        found = re.search(r"listening on (http://\S+) with", line)
        assert found, line
        async with httpx2.AsyncClient(base_url=found[1], trust_env=False) as client:
            yield Running(process, client, Signer("craig", key_of("craig"), SystemClock()))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def end(exchange: Running, how: signal.Signals) -> None:
    exchange.process.send_signal(how)
    await exchange.process.wait()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_everything_is_as_before_except_what_rested(folder: Path, how: signal.Signals) -> None:
    async with running(folder, *STILL) as first:
        ticker = await first.ticker()
        await first.buy(ticker, 1, "0.9900")
        resting = await first.buy(ticker, 2, "0.0100", rest=True)
        before = await first.reads()
        await end(first, how)
    assert len(before["fills"]) >= 1
    async with running(folder, *STILL) as second:
        after = await second.reads()
        assert {k: v for k, v in after.items() if k != "orders"} == {k: v for k, v in before.items() if k != "orders"}
        old, new = ({o["order_id"]: o for o in found["orders"]} for found in (before, after))
        canceled = new.pop(resting["order_id"])
        assert (canceled["status"], old.pop(resting["order_id"])["status"]) == ("canceled", "resting")
        assert new == old


async def test_what_was_acknowledged_before_a_kill_under_load_is_there(folder: Path) -> None:
    acknowledged: list[dict[str, Any]] = []

    async with running(folder, *STILL) as first:
        ticker = await first.ticker()

        async def trade(numbers: range) -> None:
            for number in numbers:
                acknowledged.append(await first.buy(ticker, number, "0.9900", rest=number % 3 == 0))
                if len(acknowledged) == 40:
                    first.process.kill()

        outcomes = await asyncio.gather(
            *(trade(range(i * 100, i * 100 + 100)) for i in range(4)), return_exceptions=True
        )
        assert all(isinstance(outcome, httpx2.TransportError) for outcome in outcomes)
        await first.process.wait()
    assert len(acknowledged) >= 40
    async with running(folder, *STILL) as second:
        after = await second.reads()
        orders = {o["order_id"]: o for o in after["orders"]}
        for ack in acknowledged:
            assert orders[ack["order_id"]]["fill_count_fp"] == ack["fill_count"]
        filled = sum(float(o["fill_count_fp"]) for o in orders.values())
        assert filled == sum(float(f["count_fp"]) for f in after["fills"])
        assert {o["status"] for o in orders.values()} <= {"executed", "canceled"}


async def test_position_of_a_loop_settles_when_the_exchange_comes_back(folder: Path) -> None:
    async with running(folder, *LOOP) as first:
        ticker = await first.ticker()
        bought = await first.buy(ticker, 1, "0.9990")
        assert bought["fill_count"] == "1.00"
        await end(first, signal.SIGKILL)
    async with running(folder, *LOOP) as second:
        after = await second.reads()
        [settled], [position] = after["settlements"], after["market_positions"]
        assert (settled["ticker"], position["position_fp"]) == (ticker, "0.00")
        assert await second.ticker() != ticker


async def test_damaged_state_is_refused_with_file_and_line(folder: Path) -> None:
    path = folder / "state.jsonl"
    async with running(folder, *STILL) as first:
        await first.buy(await first.ticker(), 1, "0.9900")
        await end(first, signal.SIGKILL)
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) > 2
    path.write_bytes(lines[0] + b"x" + b"".join(lines[1:]))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "manage.py", "run_exchange", "--port", "0", "--state", str(path)),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert f"{path}, line 2" in errors.decode()
