"""The venue's calls that stop, change and watch orders, in engine values."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from apps.engine.ports import CancelAck, VenueGroup, VenueStatus
from apps.engine.types import OrderIntent, Side
from apps.gateway import errors as e
from apps.gateway.kalshi.venue import KalshiVenue
from tests.gateway.conftest import FakeClock
from tests.gateway.server import Connect, reply

ORDER = {
    "order_id": "o1", "ticker": "M", "book_side": "bid", "status": "resting", "yes_price_dollars": "0.5000",
    "initial_count_fp": "3.00", "fill_count_fp": "1.00", "remaining_count_fp": "2.00", "maker_fees_dollars": "0.00",
    "taker_fees_dollars": "0.00", "client_order_id": "alice-1", "expiration_time": "2026-11-20T12:00:55Z",
    "order_group_id": "g1",
}  # fmt: skip


async def test_a_resting_order_shows_its_expiry_and_its_group(connect: Connect) -> None:
    rest, _ = connect(reply(200, {"orders": [ORDER]}))
    (order,) = await KalshiVenue(rest).open_orders()
    assert (order.expires_at_s, order.group_id) == (1_795_176_055, "g1")


async def test_a_lookup_answered_with_another_market_proves_nothing(connect: Connect) -> None:
    rest, server = connect(reply(200, {"orders": [ORDER]}))
    venue = KalshiVenue(rest)
    found = await venue.order_by_client_id("alice-1", "M")
    assert found is not None
    assert server.requests[-1].url.params["ticker"] == "M"
    for client_order_id in ("alice-1", "alice-2"):
        with pytest.raises(e.IdentityMismatch):
            await venue.order_by_client_id(client_order_id, "OTHER")
    assert await venue.order_by_client_id("alice-2", "M") is None


async def test_cancel_many_sends_what_the_bucket_can_pay_at_once(connect: Connect) -> None:
    orders = [(f"o{n}", "M") for n in range(51)]
    first = [{"order_id": order_id, "reduced_by": "1.00"} for order_id, _ in orders[:50]]
    rest, server = connect(reply(200, {"orders": first}), reply(503, text=""))
    answers = await KalshiVenue(rest).cancel_many(orders)
    assert len(server.requests) == 2
    assert answers[0] == CancelAck("o0", 100)
    assert [type(a).__name__ for a in answers[49:]] == ["CancelAck", "ServerFailed"]


async def test_queue_positions_are_those_of_the_markets_asked_for(connect: Connect) -> None:
    rows = [
        {"order_id": "o1", "market_ticker": "M", "queue_position_fp": "0.00"},
        {"order_id": "o2", "market_ticker": "N", "queue_position_fp": "12.50"},
        {"order_id": "o3", "market_ticker": "OTHER", "queue_position_fp": "1.00"},
    ]
    rest, server = connect(reply(200, {"queue_positions": rows}))
    venue = KalshiVenue(rest)
    assert await venue.queue_positions(["M", "N"]) == {"o1": 0, "o2": 1250}
    assert server.requests[-1].url.params["market_tickers"] == "M,N"
    assert await venue.queue_positions([]) == {}
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("row", "group"),
    [
        (
            {"id": "g1", "contracts_limit_fp": "50.00", "is_auto_cancel_enabled": True, "exchange_index": 2},
            VenueGroup("g1", 5000, True, 2),
        ),
        ({"id": "g1", "is_auto_cancel_enabled": False}, VenueGroup("g1", None, False, 0)),
        ({"id": "g1"}, VenueGroup("g1", None, None, 0)),
    ],
)
async def test_groups_say_whether_they_are_triggered(connect: Connect, row: dict[str, Any], group: VenueGroup) -> None:
    rest, _ = connect(reply(200, {"order_groups": [row]}))
    assert await KalshiVenue(rest).groups() == [group]


async def test_venue_group_calls_reach_the_exchange(connect: Connect) -> None:
    rest, server = connect(reply(201, {"order_group_id": "g1"}), reply(200, {}))
    venue = KalshiVenue(rest)
    assert await venue.create_group(25) == "g1"
    await venue.limit_group("g1", 30)
    await venue.trigger_group("g1")
    await venue.reset_group("g1")
    await venue.delete_group("g1")
    assert [r.method for r in server.requests] == ["POST", "PUT", "PUT", "PUT", "DELETE"]


ONE_SHARD = {"exchange_index": 1, "exchange_active": True, "trading_active": False}
UP = {"exchange_active": True, "trading_active": True}
DOWN = {"exchange_active": False, "trading_active": False, "exchange_estimated_resume_time": "2026-11-20T12:00:00Z"}


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        (200, UP, VenueStatus(True, True, None)),
        (503, DOWN, VenueStatus(False, False, 1_795_176_000_000)),
        (
            200,
            {
                **UP,
                "exchange_index_statuses": [{"exchange_index": 1, "exchange_active": True, "trading_active": False}],
            },
            VenueStatus(True, False, None),
        ),
    ],
)
async def test_status_is_that_of_the_worst_shard(
    connect: Connect, status: int, body: dict[str, Any], found: VenueStatus
) -> None:
    rest, _ = connect(reply(status, body))
    assert await KalshiVenue(rest).exchange_status() == found


async def test_clock_skew_comes_from_the_replies(connect: Connect, clock: FakeClock) -> None:
    first = reply(200, {"orders": []}, date="Fri, 20 Nov 2026 12:00:00 GMT")
    rest, _ = connect(reply(200, {"orders": []}), first, reply(200, {"orders": []}, date="yesterday"))
    venue = KalshiVenue(rest)
    await venue.open_orders()
    assert venue.clock_skew_ms is None
    clock.seconds = 1_795_176_003.5
    await venue.open_orders()
    assert venue.clock_skew_ms == 3_000
    await venue.open_orders()
    assert venue.clock_skew_ms == 3_000


@pytest.mark.parametrize(
    ("step", "is_success"),
    [
        (reply(200, {"order_id": "o1", "reduced_by": "1.00"}), True),
        (reply(404, {"error": {"code": "not_found"}}), True),
        (reply(409, {"error": {"code": "exchange_is_paused"}}), True),
        (reply(429, {"error": "too many requests"}), False),
        (reply(401, {"error": {"code": "authentication_error"}}), False),
        (reply(503, text=""), False),
        (reply(200, text="<html>"), False),
    ],
)
async def test_every_answer_counts_for_the_error_rate(connect: Connect, step: Any, is_success: bool) -> None:
    seen: list[bool] = []
    rest, _ = connect(step)
    rest.on_outcome = seen.append
    with contextlib.suppress(e.GatewayError):
        await rest.cancel_order("o1", "M")
    assert seen == [is_success]


async def test_our_own_429s_are_counted(connect: Connect, clock: FakeClock) -> None:
    rest, _ = connect(reply(429, {"error": "too many requests"}))
    for expected in (1, 2):
        with pytest.raises(e.RateLimited):
            await rest.cancel_order("o1", "M")
        assert rest.rate_limited == expected
        clock.seconds += 1


async def test_a_write_addressed_to_a_shard_bills_that_shard_and_a_batch_never(connect: Connect) -> None:
    ack = {"order_id": "o1", "client_order_id": "alice-1", "fill_count": "0.00", "remaining_count": "1.00", "ts_ms": 5}
    rest, _ = connect(reply(201, ack), reply(201, {"orders": [ack]}), reply(429, {"error": "too many requests"}))
    intent = OrderIntent("alice-1", "M", Side.BID, 5000, 100)
    await rest.create_order(intent, exchange_index=2)
    await rest.create_orders([intent])
    assert [rest.budget.bucket(name).tokens for name in ("write", "write:1", "write:2")] == [90, 100, 90]
    with pytest.raises(e.RateLimited):
        await rest.cancel_order("o1", "M", exchange_index=2)
    assert [rest.budget.bucket(name).tokens for name in ("write", "write:2")] == [90, 0]


async def test_a_large_batch_of_orders_goes_in_parts_the_bucket_can_pay(connect: Connect) -> None:
    intents = [OrderIntent(f"alice-{n}", "M", Side.BID, 5000, 100) for n in range(6)]
    acks = [
        {
            "order_id": f"o{n}",
            "client_order_id": f"alice-{n}",
            "fill_count": "0.00",
            "remaining_count": "1.00",
            "ts_ms": 5,
        }
        for n in range(5)
    ]
    rest, server = connect(reply(201, {"orders": acks}), reply(503, text=""))
    answers = await KalshiVenue(rest).submit_many(intents)
    assert [type(a).__name__ for a in answers] == ["OrderAck"] * 5 + ["ServerFailed"]
    assert len(server.requests) == 2
