"""The control endpoint: off unless asked for, every command, and what the stats say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps.simulation.exchange.app import asgi_app
from apps.simulation.exchange.inprocess import InProcess

from .desk import HOST, Desk
from .venue import TICKER, Venue


def say(desk: Desk) -> Any:
    """Give a command and return (status, body)."""

    async def command(do: str, **fields: Any) -> tuple[int, Any]:
        async with desk.network.client() as client:
            reply = await client.post(f"{HOST}/sim/control", content=json.dumps({"do": do} | fields))
        return reply.status_code, reply.json()

    return command


async def stats(desk: Desk) -> Any:
    async with desk.network.client() as client:
        return (await client.get(f"{HOST}/sim/stats")).json()


def desk_with_controls(**config: Any) -> Desk:
    desk = Desk(**config)
    desk.venue.app = asgi_app(desk.venue.exchange, with_controls=True)
    desk.network = InProcess(desk.venue.app)
    return desk


def test_without_being_asked_for_there_is_no_control() -> None:
    async def script(desk: Desk) -> None:
        async with desk.network.client() as client:
            assert (await client.post(f"{HOST}/sim/control", content=b'{"do":"pause_exchange"}')).status_code == 404
            assert (await client.get(f"{HOST}/sim/stats")).status_code == 404
        assert desk.venue.exchange.state.exchange_active

    Desk().run(script)


def test_pauses_and_resume() -> None:
    async def script(desk: Desk) -> None:
        command, craig = say(desk), desk.craig
        order_id = craig.place()
        assert (await command("pause_trading"))[1]["trading_active"] is False
        assert craig.create()[1]["error"]["code"] == "trading_is_paused"
        await command("pause_exchange")
        assert craig.call("DELETE", f"/portfolio/events/orders/{order_id}")[1]["error"]["code"] == "exchange_is_paused"
        await command("resume")
        assert craig.create()[0] == 201

    desk_with_controls().run(script)


@pytest.mark.parametrize(
    ("commands", "status", "result"),
    [
        ([("halt", {})], "inactive", ""),
        ([("halt", {}), ("reopen", {})], "active", ""),
        ([("close", {})], "closed", ""),
        ([("determine", {"result": "yes"})], "determined", "yes"),
        ([("determine", {"result": "scalar", "value": "0.3000"})], "determined", "scalar"),
        ([("determine", {"result": "yes"}), ("dispute", {})], "disputed", "yes"),
        ([("void", {}), ("settle", {})], "finalized", "void"),
        ([("grid", {"structure": "deci_cent"})], "active", ""),
    ],
)
def test_a_markets_life(commands: list[tuple[str, dict[str, Any]]], status: str, result: str) -> None:
    async def script(desk: Desk) -> None:
        for do, fields in commands:
            assert (await say(desk)(do, ticker=TICKER, **fields))[0] == 200
        market = desk.craig.get(f"/markets/{TICKER}")["market"]
        assert (market["status"], market["result"]) == (status, result)

    desk_with_controls().run(script)


def test_account_fee_and_clock_commands() -> None:
    async def script(desk: Desk) -> None:
        command, craig = say(desk), desk.craig
        await command("tier", key="craig", tier="basic")
        assert craig.get("/account/limits")["usage_tier"] == "basic"
        await command("drain", key="craig")
        assert craig.create()[0] == 429
        at_s = desk.clock.now_us() // 1_000_000 + 3600
        await command("fees", series="KXTEST", fee_type="quadratic", fee_multiplier="0.5", at_s=at_s)
        assert len(craig.get("/series/fee_changes")["series_fee_change_arr"]) == 1
        await command("skew", ms=60_000)
        assert craig.call("GET", "/portfolio/balance")[0] == 401
        await command("skew", ms=0)
        await command("revoke", key="craig")
        assert craig.call("GET", "/portfolio/balance")[0] == 401

    desk_with_controls().run(script)


def test_faults_latency_and_sockets_by_command() -> None:
    async def script(desk: Desk) -> None:
        command = say(desk)
        await command("fault", kind="error_before", method="GET", path="/portfolio/balance")
        assert (await desk.send("GET", "/portfolio/balance")).status_code == 503
        await command("faults", rate=1.0, kinds=["internal_before"], paths=["/portfolio"], methods=["GET"], seed=3)
        assert (await desk.send("GET", "/portfolio/balance")).status_code == 500
        assert (await desk.send("GET", "/exchange/status")).status_code == 200
        await command("faults", rate=0.5, profile="thirds")
        assert len(desk.venue.exchange.faults.random.kinds) == 3  # type: ignore[union-attr]
        await command("faults", rate=0)
        assert desk.venue.exchange.faults.random is None
        await command("latency", ms=100, sigma=0)
        before = desk.loop.time()
        await desk.send("GET", "/portfolio/balance")
        assert desk.loop.time() - before == pytest.approx(0.1)
        await command("latency")
        socket = await desk.listen("user_orders")
        await command("socket_faults", rate=1.0, kinds=["dropped"], channels=["user_orders"])
        desk.craig.place()
        assert await desk.frames(socket) == []
        await command("socket_faults")
        await command("socket_fault", kind="duplicated", channel="user_orders")
        desk.craig.place()
        assert len(await desk.frames(socket)) == 2
        told = await stats(desk)
        assert told["faults"] == {"error_before": 1, "internal_before": 1}
        assert told["socket_faults"] == {"dropped": 1, "duplicated": 1}
        assert told["sockets"] == 1
        await command("silence_sockets")
        desk.craig.place()
        assert await desk.frames(socket) == []
        await command("drop_sockets")
        assert (await stats(desk))["sockets"] == 1
        await socket.wait_closed()

    desk_with_controls().run(script)


def test_the_crowd_trades_on_command() -> None:
    async def script(desk: Desk) -> None:
        desk.craig.place(price="0.4100", count="10.00")
        await say(desk)("crowd_takes", ticker=TICKER, side="ask", value="0.4100", count="4.00")
        told = (await stats(desk))["keys"]["craig"]
        assert (told["fills"], told["resting"]) == (1, 1)

    desk_with_controls().run(script)


def test_a_long_bench_can_make_the_exchange_forget_what_is_over() -> None:
    async def script(desk: Desk) -> None:
        craig = desk.craig
        over, resting = craig.place(), craig.place()
        craig.call("DELETE", f"/portfolio/events/orders/{over}")
        craig.place("bid", "0.6000", "1.00")
        await say(desk)("forget_closed")
        assert [o["order_id"] for o in craig.get("/portfolio/orders")["orders"]] == [resting]
        assert craig.get("/portfolio/fills")["fills"] == []
        assert craig.create(client_order_id="craig-1")[1]["error"]["code"] == "order_already_exists"
        assert craig.call("DELETE", f"/portfolio/events/orders/{resting}")[0] == 200
        assert desk.venue.conserved()
        told = (await stats(desk))["keys"]["craig"]
        assert (told["orders"], told["canceled"]) == (1, 2)

    desk_with_controls().run(script)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"do": "dance"}, 400),
        ({"do": "halt", "ticker": "KXNONE"}, 404),
        ({"do": "tier", "key": "craig", "tier": "golden"}, 404),
        ({"do": "grid", "ticker": TICKER, "structure": "half"}, 404),
        ({"do": "revoke", "key": "nobody"}, 404),
        ({"do": "determine", "ticker": TICKER, "result": "scalar"}, 400),
        ({"do": "settle", "ticker": TICKER}, 400),
        ({"do": "faults", "rate": 2, "profile": "thirds"}, 400),
        ({"do": "faults", "rate": 0.1, "kinds": ["tantrum"]}, 400),
        ({"do": "fault", "kind": "tantrum"}, 400),
        ({"do": "halt", "tickers": [TICKER]}, 400),
        ({"do": "crowd_takes", "ticker": TICKER, "side": "bid", "count": "1.00"}, 400),
        (["halt"], 400),
    ],
)
def test_a_bad_command_is_told_what_is_wrong_and_changes_nothing(body: Any, status: int) -> None:
    async def script(desk: Desk) -> None:
        venue: Venue = desk.venue
        async with desk.network.client() as client:
            reply = await client.post(f"{HOST}/sim/control", content=json.dumps(body))
        assert reply.status_code == status
        assert reply.json()["error"]
        assert venue.market.status == "active"
        assert venue.exchange.faults.random is None
        assert not venue.exchange.faults.planned

    desk_with_controls().run(script)


def test_stats_count_what_each_key_asked_and_how_often_its_buckets_refused() -> None:
    async def script(desk: Desk) -> None:
        craig = desk.craig
        _, group = craig.call("POST", "/portfolio/order_groups/create", {"contracts_limit": 10})
        craig.place(order_group_id=group["order_group_id"])
        craig.place()
        craig.get("/portfolio/balance")
        told = (await stats(desk))["keys"]["craig"]
        assert told["asked"] == {"write": 3, "read": 1}
        assert told["refused"] == {}
        assert told["tokens"] == {"read": 590.0, "write": 270.0}
        assert (told["orders"], told["resting"], told["groups"], told["triggered_groups"]) == (2, 2, 1, 0)
        craig.call("PUT", f"/portfolio/order_groups/{group['order_group_id']}/trigger")
        desk.venue.exchange.drain("craig")
        assert craig.create()[0] == 429
        # A 429 that a fault gives is not one of its buckets'.
        await say(desk)("fault", kind="rate_limited", method="GET", path="/portfolio/balance")
        assert (await desk.send("GET", "/portfolio/balance")).status_code == 429
        told = (await stats(desk))["keys"]["craig"]
        assert told["refused"] == {"write": 1}
        assert (told["resting"], told["canceled"], told["triggered_groups"]) == (1, 1, 1)
        assert told["tokens"]["write"] == 0

    desk_with_controls(tier="basic").run(script)
