"""Damaged replies: typed errors only, one request per write, and no acknowledgement that is not about our order."""

from __future__ import annotations

import asyncio
import json
from random import Random
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.engine.ports import AmendAck, CancelAck, DecreaseAck, OrderAck, OrderChange
from apps.engine.types import OrderIntent, Side
from apps.gateway.errors import GatewayError, OutcomeUnknown
from apps.gateway.kalshi import batch_replies
from apps.gateway.kalshi.limits import basic_budget
from apps.gateway.kalshi.rest import KalshiRest
from apps.gateway.kalshi.venue import KalshiVenue
from tests.gateway.conftest import FakeClock
from tests.gateway.fuzzing import reference as ref
from tests.gateway.fuzzing.corpus import bodies
from tests.gateway.fuzzing.frame_trial import untimed
from tests.gateway.fuzzing.mutate import Mutator
from tests.gateway.fuzzing.reply_trial import KINDS, READINGS, STATUSES, ReplyTrial
from tests.gateway.server import BASE, Server

INTENT = OrderIntent("alice-1", "M", Side.BID, 5000, 1000)
CHANGE = OrderChange("o1", "alice-1", "M", Side.BID, 5000, 1000)
WRITES = ("OrderReply", "AmendReply", "DecreaseReply", "CancelReply")
OF_KIND = {kind: [body for name, body in bodies() if name == kind] for kind, _ in bodies()}


@pytest.mark.parametrize("seed", [1, 2])
def test_damaged_replies_give_typed_errors_and_the_reference_meaning(seed: int) -> None:
    tally = untimed()
    trial = ReplyTrial(Random(seed), tally)
    for _ in range(6000):
        trial.play()
    assert tally.findings == []
    assert (tally.crashes, tally.wrong) == (0, 0)
    assert tally.refused > 1000


def test_the_replies_the_trial_starts_from_are_read() -> None:
    tally = untimed()
    trial = ReplyTrial(Random(1), tally)
    for kind, body in bodies():
        trial.one(kind, body)
    assert (tally.refused, tally.wrong) == (0, 0)
    assert {kind for kind, _ in bodies()} == {*KINDS, "error"}


def test_the_trial_finds_an_answer_believed_of_another_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_replies, "_strange", lambda *_: None)
    tally = untimed()
    trial = ReplyTrial(Random(1), tally)
    for _ in range(6000):
        trial.play()
    assert tally.wrong > 0


def test_the_trial_finds_a_reply_read_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    read, slow = READINGS["CancelReply"]
    monkeypatch.setitem(READINGS, "CancelReply", (lambda reply: (*read(reply)[:1], 0, None), slow))
    tally = untimed()
    trial = ReplyTrial(Random(1), tally)
    for _ in range(500):
        trial.play()
    assert tally.wrong > 0


def ask(kind: str, response: httpx2.Response) -> tuple[Any, int]:
    """What a write of this kind came to, and how many requests it took."""
    server, clock = Server(response), FakeClock()
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(server))
    rest = KalshiRest(BASE, None, basic_budget(clock, sleep=clock.sleep), clock, client=client, sleep=clock.sleep)

    async def write() -> Any:
        try:
            if kind == "OrderReply":
                return await rest.create_order(INTENT)
            if kind == "AmendReply":
                return await rest.amend_order(CHANGE)
            if kind == "DecreaseReply":
                return await rest.decrease_order("o1", "M", reduce_to=200)
            return await rest.cancel_order("o1", "M")
        except GatewayError as error:
            return error

    return asyncio.run(write()), len(server.requests)


@settings(max_examples=120)
@given(st.sampled_from(WRITES), st.integers(0, 2**32), st.sampled_from(STATUSES))
def test_a_write_is_sent_once_and_acknowledged_only_by_its_own_reply(kind: str, seed: int, status: int) -> None:
    rng = Random(seed)
    data = Mutator(rng, [body for _, body in bodies()]).damaged(rng.choice(OF_KIND[kind]))
    result, requests = ask(kind, httpx2.Response(status, content=data))
    assert requests == 1
    if isinstance(result, OrderAck | AmendAck | DecreaseAck | CancelAck):
        assert 200 <= status < 300
        body = ref.load(data)
        named = body.get("client_order_id") if kind == "OrderReply" else body.get("order_id")
        assert named == ("alice-1" if kind == "OrderReply" else "o1")
    elif 200 <= status < 300 or status >= 500:
        assert isinstance(result, OutcomeUnknown)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from(["alice-1", "nobody"]))
def test_a_lookup_never_finds_another_order(seed: int, wanted: str) -> None:
    order = {
        "order_id": "o1", "ticker": "M", "book_side": "bid", "status": "resting", "yes_price_dollars": "0.5000",
        "initial_count_fp": "1.00", "fill_count_fp": "0.00", "remaining_count_fp": "1.00",
        "maker_fees_dollars": "0.00", "taker_fees_dollars": "0.00", "client_order_id": "alice-1",
    }  # fmt: skip
    page = json.dumps({"orders": [order], "cursor": ""}).encode()
    data = Mutator(Random(seed), [page]).damaged(page)
    server, clock = Server(httpx2.Response(200, content=data)), FakeClock()
    client = httpx2.AsyncClient(transport=httpx2.MockTransport(server))
    rest = KalshiRest(BASE, None, basic_budget(clock, sleep=clock.sleep), clock, client=client, sleep=clock.sleep)

    async def look() -> Any:
        try:
            return await KalshiVenue(rest).order_by_client_id(wanted, "M")
        except GatewayError as error:
            return error
        except ref.Refused:
            return None

    found = asyncio.run(look())
    if found is not None and not isinstance(found, Exception):
        assert (found.client_order_id, found.ticker) == (wanted, "M")
