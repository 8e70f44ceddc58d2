"""HTTP faults: what each does to the answer and to the effect, seeded plans, latency, and a clock that is wrong."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from email.utils import parsedate_to_datetime
from random import Random
from statistics import median
from typing import Any

import httpx2
import pytest
from websockets.exceptions import InvalidStatus

from apps.simulation.exchange.app import WS_PATH
from apps.simulation.exchange.faults import PROFILES, FaultKind, FaultPlan, Faults, Latency
from apps.simulation.exchange.rest.call import BASE
from apps.simulation.exchange.spoiling import STRANGER, spoiled_bytes, spoiled_value

from .desk import Desk
from .venue import ORDERS

PATH = BASE + ORDERS
K = FaultKind


@pytest.mark.parametrize(
    ("kind", "status", "orders"),
    [
        (K.ERROR_BEFORE, 503, 0),
        (K.ERROR_AFTER, 503, 1),
        (K.INTERNAL_BEFORE, 500, 0),
        (K.INTERNAL_AFTER, 500, 1),
        (K.RATE_LIMITED, 429, 0),
        (K.UNAUTHORIZED, 401, 0),
    ],
)
def test_answers_instead_of_the_true_one(kind: FaultKind, status: int, orders: int) -> None:
    async def script(desk: Desk) -> None:
        desk.venue.exchange.faults.plan(kind, "POST", PATH)
        assert (await desk.send("POST", ORDERS, desk.craig.body())).status_code == status
        assert len(desk.craig.get("/portfolio/orders")["orders"]) == orders
        assert desk.venue.exchange.faults.given == {kind.value: 1}

    Desk().run(script)


@pytest.mark.parametrize(("kind", "orders_at_timeout"), [(K.LATE_BEFORE, 0), (K.LATE_AFTER, 1)])
def test_late_effect_and_late_answer(kind: FaultKind, orders_at_timeout: int) -> None:
    async def script(desk: Desk) -> None:
        faults = desk.venue.exchange.faults
        faults.random = FaultPlan(1.0, (kind,), Random(1), methods=("POST",), late_s=(3.0, 3.0))
        with pytest.raises(httpx2.ReadTimeout):
            await desk.send("POST", ORDERS, desk.craig.body(), timeout_s=1.0)
        assert len(desk.craig.get("/portfolio/orders")["orders"]) == orders_at_timeout
        await asyncio.sleep(2.5)
        # The client has long gone; the order stands all the same.
        assert len(desk.craig.get("/portfolio/orders")["orders"]) == 1
        before = desk.loop.time()
        assert (await desk.send("POST", ORDERS, desk.craig.body(), timeout_s=9.0)).status_code == 201
        assert desk.loop.time() - before == pytest.approx(3.0)

    Desk().run(script)


@pytest.mark.parametrize("act", ["create", "amend", "cancel"])
def test_an_answer_about_another_order(act: str) -> None:
    async def script(desk: Desk) -> None:
        other, ours = desk.craig.place(), desk.craig.place()
        body = desk.craig.body(price="0.4100")
        body.pop("client_order_id")
        method, target, sent = {
            "create": ("POST", ORDERS, desk.craig.body()),
            "amend": ("POST", f"{ORDERS}/{ours}/amend", body),
            "cancel": ("DELETE", f"{ORDERS}/{ours}", None),
        }[act]
        desk.venue.exchange.faults.plan(K.OTHER_ORDER, method, PATH)
        reply = (await desk.send(method, target, sent)).json()
        assert reply["order_id"] in {other, ours} - ({ours} if act != "create" else set())
        rows = {o["order_id"]: o for o in desk.craig.get("/portfolio/orders")["orders"]}
        assert rows[other]["status"] == "resting"
        if act == "create":
            assert len(rows) == 3
        elif act == "amend":
            assert rows[ours]["yes_price_dollars"] == "0.4100"
        else:
            assert rows[ours]["status"] == "canceled"

    Desk().run(script)


def test_an_answer_about_a_stranger_when_there_is_no_other_order() -> None:
    reply = {"order_id": "a", "client_order_id": "b"}
    changed = spoiled_value(K.OTHER_ORDER, reply, [], Random(1))
    assert changed == {"order_id": STRANGER, "client_order_id": "stranger"}
    assert reply["order_id"] == "a"


def test_spoiled_shapes_change_one_field_only() -> None:
    reply = {"order": {"a": "1", "b": "2"}}
    missing = [spoiled_value(K.MISSING_FIELD, reply, [], Random(i)) for i in range(20)]
    assert {json.dumps(m) for m in missing} == {"{}", '{"order": {"b": "2"}}', '{"order": {"a": "1"}}'}
    renamed = [spoiled_value(K.RENAMED_FIELD, reply, [], Random(i)) for i in range(20)]
    assert {"order": {"b": "2", "a_v3": "1"}} in renamed
    more = [spoiled_value(K.UNKNOWN_FIELD, reply, [], Random(i)) for i in range(20)]
    assert all({k: v for k, v in m["order"].items() if k in "ab"} == reply["order"] for m in more)
    assert spoiled_value(K.MISSING_FIELD, None, [], Random(1)) is None


@pytest.mark.parametrize("kind", [K.CUT, K.CORRUPT])
def test_cut_and_corrupt_bodies_never_read_as_json(kind: FaultKind) -> None:
    payload = json.dumps({"order_id": "abc", "reduced_by": "1.00"}).encode()
    for seed in range(200):
        spoiled = spoiled_bytes(kind, payload, Random(seed))
        with pytest.raises(json.JSONDecodeError):
            json.loads(spoiled)
    assert spoiled_bytes(kind, b"", Random(1)) == b""


@pytest.mark.parametrize("kind", [K.CUT, K.CORRUPT, K.MISSING_FIELD, K.RENAMED_FIELD, K.UNKNOWN_FIELD])
def test_a_spoiled_answer_comes_after_the_effect(kind: FaultKind) -> None:
    async def script(desk: Desk) -> None:
        desk.venue.exchange.faults.plan(kind, "POST", PATH)
        reply = await desk.send("POST", ORDERS, desk.craig.body())
        assert reply.status_code == 201
        assert len(desk.craig.get("/portfolio/orders")["orders"]) == 1
        assert reply.content != b""

    Desk().run(script)


def test_the_profile_of_the_measured_mock_is_a_third_each() -> None:
    plan = FaultPlan(0.3, PROFILES["thirds"], Random(11))
    drawn = Counter(plan.draw("PUT", "/x") for _ in range(30_000))
    assert drawn[None] / 30_000 == pytest.approx(0.7, abs=0.01)
    for kind in (K.ERROR_BEFORE, K.SILENCE_BEFORE, K.SILENCE_AFTER):
        assert drawn[kind] / 30_000 == pytest.approx(0.1, abs=0.01)
    assert len(drawn) == 4


def test_a_plan_hits_only_its_paths_and_methods_and_repeats_with_its_seed() -> None:
    def draws(seed: int) -> list[FaultKind | None]:
        plan = FaultPlan(0.5, tuple(FaultKind), Random(seed), (f"{BASE}/portfolio",), ("PUT", "POST"))
        assert plan.draw("GET", f"{BASE}/portfolio/orders") is None
        assert plan.draw("PUT", f"{BASE}/exchange/status") is None
        return [plan.draw("PUT", f"{BASE}/portfolio/order_groups/x/trigger") for _ in range(50)]

    assert draws(3) == draws(3)
    assert draws(3) != draws(4)
    assert None in draws(3)
    sure = FaultPlan(1.0, (K.CUT,), Random(1), (BASE,))
    assert sure.draw("GET", "/elsewhere") is None
    assert sure.draw("GET", f"{BASE}/x") is K.CUT


@pytest.mark.parametrize(("rate", "kinds"), [(-0.1, (K.CUT,)), (1.1, (K.CUT,)), (float("nan"), (K.CUT,)), (0.5, ())])
def test_a_plan_that_makes_no_sense_is_refused(rate: float, kinds: tuple[FaultKind, ...]) -> None:
    with pytest.raises(ValueError, match="fault"):
        FaultPlan(rate, kinds, Random(1))


def test_planned_faults_come_before_drawn_ones() -> None:
    faults = Faults(random=FaultPlan(1.0, (K.CUT,), Random(1)))
    faults.plan(K.UNAUTHORIZED, "GET", "/a")
    assert [faults.take("GET", "/a"), faults.take("GET", "/a")] == [K.UNAUTHORIZED, K.CUT]
    assert faults.given == {"unauthorized": 1, "cut": 1}


def test_latency_is_a_seeded_log_normal_round_trip() -> None:
    drawn = [Latency(50.0, 0.5, Random(2)).draw_s() for _ in range(1)] * 2
    assert drawn[0] == drawn[1]
    latency = Latency(50.0, 0.5, Random(2))
    many = [latency.draw_s() for _ in range(4001)]
    assert median(many) == pytest.approx(0.050, rel=0.05)
    assert max(many) > 0.15
    assert Latency(50.0, 0.0, Random(1)).draw_s() == pytest.approx(0.050)
    with pytest.raises(ValueError, match="latency"):
        Latency(-1.0, 0.0, Random(1))


def test_half_the_round_trip_comes_before_the_effect() -> None:
    async def script(desk: Desk) -> None:
        desk.venue.exchange.latency = Latency(200.0, 0.0, Random(1))
        sending = asyncio.ensure_future(desk.send("POST", ORDERS, desk.craig.body()))
        await asyncio.sleep(0.09)
        assert desk.craig.get("/portfolio/orders")["orders"] == []
        await asyncio.sleep(0.02)
        assert len(desk.craig.get("/portfolio/orders")["orders"]) == 1
        assert not sending.done()
        assert (await sending).status_code == 201
        assert desk.loop.time() == pytest.approx(0.2)

    Desk().run(script)


def test_a_skewed_clock_shows_in_the_date_and_refuses_good_signatures() -> None:
    async def script(desk: Desk) -> None:
        def shown(reply: httpx2.Response) -> float:
            return parsedate_to_datetime(reply.headers["date"]).timestamp() - desk.clock.now_us() / 1e6

        assert abs(shown(await desk.send("GET", "/portfolio/balance"))) < 1
        desk.venue.exchange.clock_skew_us = 8_000_000
        reply = await desk.send("GET", "/portfolio/balance")
        assert reply.status_code == 200
        assert shown(reply) == pytest.approx(8, abs=1)
        desk.venue.exchange.clock_skew_us = -20_000_000
        reply = await desk.send("GET", "/portfolio/balance")
        assert (reply.status_code, reply.json()["error"]["code"]) == (401, "header_timestamp_expired")
        assert shown(reply) == pytest.approx(-20, abs=1)

    Desk().run(script)


def test_the_handshake_can_be_refused_too() -> None:
    async def script(desk: Desk) -> None:
        desk.venue.exchange.faults.plan(K.ERROR_BEFORE, "GET", WS_PATH)
        with pytest.raises(InvalidStatus) as refused:
            await desk.connect()
        assert refused.value.response.status_code == 503
        desk.venue.exchange.faults.plan(K.SILENCE_BEFORE, "GET", WS_PATH)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(desk.connect(), 2.0)
        await desk.connect()

    Desk().run(script)


def test_a_run_with_faults_repeats_exactly() -> None:
    async def script(desk: Desk) -> list[Any]:
        exchange = desk.venue.exchange
        exchange.faults.random = FaultPlan(0.6, PROFILES["all"], Random(5))
        exchange.faults.rng = Random(6)
        exchange.latency = Latency(40.0, 0.4, Random(7))
        log: list[Any] = []
        for _ in range(160):
            try:
                reply = await desk.send("POST", ORDERS, desk.craig.body(count="1.00"), timeout_s=1.0)
                log.append((reply.status_code, reply.content))
            except httpx2.ReadTimeout:
                log.append("timeout")
            log.append(desk.loop.time())
        return [*log, dict(exchange.faults.given)]

    first, second = Desk().run(script), Desk().run(script)
    assert first == second
    assert set(first[-1]) == {k.value for k in FaultKind}
