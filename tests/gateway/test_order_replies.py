"""Answers to order writes: each is proved to be about our order, or its outcome is unknown. It is never believed."""

from __future__ import annotations

from typing import Any

import pytest

from apps.engine.ports import AmendAck, DecreaseAck, OrderChange
from apps.engine.types import OrderIntent, Side
from apps.gateway import errors as e
from tests.gateway.server import Connect, reply

FIRST = OrderIntent("alice-1", "KXFED-26DEC-T4.25", Side.BID, 5700, 1000)
SECOND = OrderIntent("alice-2", "M", Side.ASK, 6000, 100)
THIRD = OrderIntent("alice-3", "M", Side.ASK, 6100, 100)
ACK = {"order_id": "o1", "client_order_id": "alice-1", "fill_count": "0.00", "remaining_count": "10.00", "ts_ms": 5}
ACK_2 = {**ACK, "order_id": "o2", "client_order_id": "alice-2", "remaining_count": "1.00"}
CHANGE = OrderChange("o1", "alice-1", "M", Side.BID, 5600, 700)
AMENDED = {"order_id": "o1", "client_order_id": "alice-1", "ts_ms": 7, "fill_count": "3.00", "remaining_count": "4.00"}


def names(results: list[Any]) -> list[str]:
    return [type(r).__name__ for r in results]


async def test_batch_results_keep_their_order_and_their_errors(connect: Connect) -> None:
    items = [ACK, {"client_order_id": "alice-2", "error": {"code": "insufficient_balance", "message": "m"}}, {}]
    rest, server = connect(reply(201, {"orders": items}))
    results = await rest.create_orders([FIRST, SECOND, THIRD])
    assert names(results) == ["OrderAck", "InsufficientBalance", "UndecodableReply"]
    assert [order["client_order_id"] for order in server.body["orders"]] == ["alice-1", "alice-2", "alice-3"]
    assert rest.budget.bucket("write").tokens == 70


@pytest.mark.parametrize(
    ("items", "found"),
    [
        pytest.param([ACK_2, ACK], ["IdentityMismatch"] * 2, id="swapped"),
        pytest.param([ACK, {**ACK_2, "client_order_id": "bob-9"}], ["OrderAck", "IdentityMismatch"], id="foreign"),
        pytest.param([ACK, ACK], ["IdentityMismatch"] * 2, id="the first one twice"),
        pytest.param([ACK, {**ACK_2, "order_id": "o1"}], ["IdentityMismatch"] * 2, id="one order id for both"),
        pytest.param([ACK, {**ACK_2, "client_order_id": ""}], ["OrderAck", "IdentityMismatch"], id="an ack of nobody"),
        pytest.param(
            [ACK, {"client_order_id": "bob-9", "error": {"code": "invalid_price"}}],
            ["OrderAck", "IdentityMismatch"],
            id="a refusal of somebody else's order",
        ),
        pytest.param(
            [{**ACK, "client_order_id": "alice-2"}, {"error": {"code": "invalid_price"}}],
            ["IdentityMismatch"] * 2,
            id="a refusal without a name in a batch out of order",
        ),
        pytest.param([ACK, {"error": {"code": "invalid_price"}}], ["OrderAck", "InvalidPrice"], id="in order"),
        pytest.param([ACK, {**ACK_2, "remaining_count": "1.01"}], ["OrderAck", "UndecodableReply"], id="too much"),
        pytest.param([ACK, {"error": {"code": "EXCHANGE_UNAVAILABLE"}}], ["OrderAck", "ServerFailed"], id="no verdict"),
        pytest.param(
            [ACK, {"error": {"code": "exceeded_order_group_risk_limit"}}], ["OrderAck", "GroupTriggered"], id="group"
        ),
    ],
)
async def test_a_batch_answer_that_may_be_anothers_is_not_believed(
    connect: Connect, items: list[dict[str, Any]], found: list[str]
) -> None:
    rest, server = connect(reply(201, {"orders": items}))
    assert names(await rest.create_orders([FIRST, SECOND])) == found
    assert len(server.requests) == 1


async def test_batch_answer_of_another_length_proves_nothing(connect: Connect) -> None:
    rest, _ = connect(reply(201, {"orders": [ACK, ACK]}))
    with pytest.raises(e.UndecodableReply):
        await rest.create_orders([FIRST])


async def test_batch_cancel_is_a_delete_with_a_body(connect: Connect) -> None:
    items = [
        {"order_id": "o1", "reduced_by": "1.00"},
        {"order_id": "o2", "reduced_by": "0.00", "error": {"code": "not_found"}},
    ]
    rest, server = connect(reply(200, {"orders": items}))
    results = await rest.cancel_orders([("o1", "M"), ("o2", "M")])
    assert names(results) == ["CancelAck", "OrderNotFound"]
    assert server.requests[0].method == "DELETE"
    assert server.body["orders"][0] == {"order_id": "o1", "market_ticker": "M"}


@pytest.mark.parametrize(
    ("items", "found"),
    [
        (
            [{"order_id": "o2", "reduced_by": "1.00"}, {"order_id": "o1", "reduced_by": "2.00"}],
            ["IdentityMismatch"] * 2,
        ),
        ([{"order_id": "o1", "reduced_by": "1.00"}, {"reduced_by": "1.00"}], ["CancelAck", "IdentityMismatch"]),
        (
            [{"order_id": "x", "reduced_by": "1.00"}, {"error": {"code": "not_found"}}],
            ["IdentityMismatch"] * 2,
        ),
        ([{"order_id": "o1"}, {"error": {"code": "not_found"}}], ["UndecodableReply", "OrderNotFound"]),
    ],
)
async def test_a_batch_cancel_is_believed_only_where_it_names_the_order(
    connect: Connect, items: list[dict[str, Any]], found: list[str]
) -> None:
    rest, _ = connect(reply(200, {"orders": items}))
    assert names(await rest.cancel_orders([("o1", "M"), ("o2", "M")])) == found


@pytest.mark.parametrize("name", [None, ""])
async def test_a_create_answer_that_names_no_order_is_unknown(connect: Connect, name: str | None) -> None:
    rest, _ = connect(reply(201, {**ACK, "client_order_id": name}))
    with pytest.raises(e.IdentityMismatch):
        await rest.create_order(FIRST)


async def test_amend_sends_the_total_and_keeps_the_expiry_unless_told(connect: Connect) -> None:
    rest, server = connect(reply(200, AMENDED))
    assert await rest.amend_order(CHANGE) == AmendAck("o1", 300, 400, 7)
    terms = {"ticker": "M", "side": "bid", "price": "0.5600", "count": "7.00", "client_order_id": "alice-1"}
    assert server.body == terms
    assert server.requests[0].url.path.endswith("/portfolio/events/orders/o1/amend")


async def test_renewing_the_expiry_sends_it_with_unchanged_terms(connect: Connect) -> None:
    rest, server = connect(reply(200, {"order_id": "o1", "ts_ms": 7}))
    change = OrderChange("o1", "", "M", Side.BID, 5600, 700, expires_at_s=1_795_176_055)
    assert await rest.amend_order(change) == AmendAck("o1", None, None, 7)
    assert server.body["expiration_time"] == 1_795_176_055
    assert "client_order_id" not in server.body


@pytest.mark.parametrize("expires_at_s", [0, -1])
async def test_no_amend_may_take_the_expiry_away(connect: Connect, expires_at_s: int) -> None:
    rest, server = connect(reply(200, AMENDED))
    with pytest.raises(e.RequestRefused, match="expiry"):
        await rest.amend_order(OrderChange("o1", "alice-1", "M", Side.BID, 5600, 700, expires_at_s))
    assert server.requests == []


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"order_id": "o2"}, e.IdentityMismatch),
        ({"client_order_id": "bob-9"}, e.IdentityMismatch),
        ({"remaining_count": "4.01"}, e.UndecodableReply),
    ],
)
async def test_an_amend_answer_about_other_terms_is_unknown(
    connect: Connect, change: dict[str, Any], error: type[e.OutcomeUnknown]
) -> None:
    rest, server = connect(reply(200, {**AMENDED, **change}))
    with pytest.raises(error):
        await rest.amend_order(CHANGE)
    assert len(server.requests) == 1


async def test_decrease_names_the_market_and_what_shall_rest(connect: Connect) -> None:
    rest, server = connect(reply(200, {"order_id": "o1", "ts_ms": 1, "remaining_count": "0.50"}))
    assert await rest.decrease_order("o1", "M", reduce_to=50) == DecreaseAck("o1", 50, 1)
    assert server.body == {"reduce_to": "0.50", "market_ticker": "M"}
    with pytest.raises(e.RequestRefused):
        await rest.decrease_order("o1", "M", reduce_to=0)


@pytest.mark.parametrize(
    ("change", "error"), [({"order_id": "o2"}, e.IdentityMismatch), ({"remaining_count": "4.00"}, e.UndecodableReply)]
)
async def test_a_decrease_answer_about_another_order_is_unknown(
    connect: Connect, change: dict[str, Any], error: type[e.OutcomeUnknown]
) -> None:
    rest, _ = connect(reply(200, {"order_id": "o1", "ts_ms": 1, "remaining_count": "0.50", **change}))
    with pytest.raises(error):
        await rest.decrease_order("o1", "M", reduce_to=50)


async def test_an_order_read_back_under_another_id_is_not_believed(connect: Connect) -> None:
    order = {
        "order_id": "o2", "ticker": "M", "book_side": "bid", "status": "resting", "yes_price_dollars": "0.5000",
        "initial_count_fp": "1.00", "fill_count_fp": "0.00", "remaining_count_fp": "1.00",
        "maker_fees_dollars": "0.00", "taker_fees_dollars": "0.00", "client_order_id": "bob-9",
    }  # fmt: skip
    rest, _ = connect(reply(200, {"order": order}))
    with pytest.raises(e.IdentityMismatch):
        await rest.order("o1")
    assert (await rest.order("o2")).client_order_id == "bob-9"


async def test_order_group_calls(connect: Connect) -> None:
    rest, server = connect(reply(201, {"order_group_id": "g1"}), reply(200, {}))
    assert await rest.create_order_group(100) == "g1"
    assert server.body == {"contracts_limit": 100, "exchange_index": 0}
    await rest.trigger_order_group("g1")
    await rest.reset_order_group("g1")
    await rest.limit_order_group("g1", 40)
    assert server.body == {"contracts_limit": 40}
    await rest.delete_order_group("g1")
    assert [(r.method, r.url.path.rsplit("/", 2)[-1]) for r in server.requests[1:]] == [
        ("PUT", "trigger"),
        ("PUT", "reset"),
        ("PUT", "limit"),
        ("DELETE", "g1"),
    ]
    for limit in (0, -1):
        with pytest.raises(e.RequestRefused):
            await rest.create_order_group(limit)


async def test_a_group_on_another_shard_than_asked_is_not_ours(connect: Connect) -> None:
    rest, _ = connect(reply(201, {"order_group_id": "g1", "exchange_index": 0}))
    with pytest.raises(e.IdentityMismatch):
        await rest.create_order_group(100, exchange_index=2)


async def test_triggering_spends_the_reserve_that_trading_cannot(connect: Connect) -> None:
    rest, _ = connect(reply(200, {}))
    while rest.budget.bucket("write").take(10) == 0:
        pass
    left = rest.budget.bucket("write").tokens
    await rest.trigger_order_group("g1")
    assert rest.budget.bucket("write").tokens == left - 10
