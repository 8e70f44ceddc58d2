"""REST calls against a scripted server: what is retried, what never is, and what each failure means."""

from __future__ import annotations

import json
from collections.abc import Sequence
from random import Random
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from apps.engine.types import OrderIntent, Side, TimeInForce
from apps.gateway import errors as e
from apps.gateway.kalshi.signing import verify
from apps.gateway.throttle import backoff_s
from tests.gateway.conftest import FakeClock
from tests.gateway.recorded import rest_bundles
from tests.gateway.server import Connect, Step, reply

INTENT = OrderIntent("alice-1", "KXFED-26DEC-T4.25", Side.BID, 5700, 1000)
ACK = {"order_id": "o1", "client_order_id": "alice-1", "fill_count": "0.00", "remaining_count": "10.00", "ts_ms": 5}


async def test_create_sends_the_documented_body_and_reads_the_ack(connect: Connect) -> None:
    rest, server = connect(reply(201, ACK))
    ack = await rest.create_order(INTENT)
    assert (ack.order_id, ack.client_order_id, ack.filled, ack.remaining, ack.ts_ms) == ("o1", "alice-1", 0, 1000, 5)
    assert server.requests[0].method == "POST"
    assert server.requests[0].url.path == "/trade-api/v2/portfolio/events/orders"
    assert server.body == {
        "ticker": "KXFED-26DEC-T4.25",
        "client_order_id": "alice-1",
        "side": "bid",
        "count": "10.00",
        "price": "0.5700",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
        "post_only": True,
        "cancel_order_on_pause": True,
    }


async def test_request_is_signed_over_the_path_without_its_query(
    connect: Connect, private_key: Ed25519PrivateKey
) -> None:
    rest, server = connect(reply(200, {"orders": [], "cursor": ""}))
    assert [order async for order in rest.orders(status="resting")] == []
    request = server.requests[0]
    assert request.url.params["status"] == "resting"
    ts, signature = request.headers["KALSHI-ACCESS-TIMESTAMP"], request.headers["KALSHI-ACCESS-SIGNATURE"]
    assert verify(private_key.public_key(), ts, "GET", "/trade-api/v2/portfolio/orders", signature)


UNSURE: Sequence[tuple[Step, type[e.GatewayError]]] = [
    (httpx2.ReadTimeout("late"), e.ReplyTimeout),
    (httpx2.WriteTimeout("late"), e.ReplyTimeout),
    (httpx2.ReadError("reset"), e.ReplyTimeout),
    (httpx2.RemoteProtocolError("disconnected"), e.ReplyTimeout),
    (reply(500, {}), e.ServerFailed),
    (reply(503, {"code": "unavailable", "message": "m"}), e.ServerFailed),
    (reply(201, text="<html>"), e.UndecodableReply),
    (reply(201, {}), e.UndecodableReply),
    (reply(201, {**ACK, "remaining_count": 10}), e.UndecodableReply),
    (reply(201, {**ACK, "client_order_id": "somebody-else"}), e.IdentityMismatch),
    (reply(201, {**ACK, "remaining_count": "10.01"}), e.UndecodableReply),
    (reply(404, text="nginx"), e.UndecodableReply),
]
REFUSED: Sequence[tuple[Step, type[e.GatewayError]]] = [
    (
        reply(401, {"error": {"code": "authentication_error", "message": "", "details": "NOT_FOUND"}}),
        e.AuthenticationFailed,
    ),
    (reply(409, {"error": {"code": "order_already_exists", "message": ""}}), e.OrderAlreadyExists),
    (reply(409, {"error": {"code": "fill_or_kill_insufficient_resting_volume", "message": ""}}), e.FokUnfilled),
    (reply(409, {"error": {"code": "trading_is_paused", "message": ""}}), e.TradingPaused),
    (reply(409, {"error": {"code": "exchange_is_paused", "message": ""}}), e.ExchangePaused),
    (reply(429, {"error": "too many requests"}), e.RateLimited),
    (httpx2.ConnectError("refused"), e.ConnectFailed),
    (httpx2.ConnectTimeout("late"), e.ConnectFailed),
    (httpx2.PoolTimeout("busy"), e.ConnectFailed),
]


@pytest.mark.parametrize(("step", "error"), [*UNSURE, *REFUSED])
async def test_create_is_sent_once_whatever_comes_back(
    connect: Connect, step: Step, error: type[e.GatewayError]
) -> None:
    rest, server = connect(step, reply(201, ACK))
    with pytest.raises(error) as raised:
        await rest.create_order(INTENT)
    assert type(raised.value) is error
    assert len(server.requests) == 1


@pytest.mark.parametrize(("step", "_error"), UNSURE)
async def test_no_write_with_a_doubtful_reply_counts_as_refused(connect: Connect, step: Step, _error: type) -> None:
    rest, _ = connect(step)
    with pytest.raises(e.OutcomeUnknown):
        await rest.create_order(INTENT)


@pytest.mark.parametrize(
    "change",
    [
        {"client_order_id": ""},
        {"client_order_id": "a.b"},
        {"price": 0},
        {"price": 10_000},
        {"quantity": 0},
        {"quantity": -100},
        {"expires_at_s": 5, "time_in_force": TimeInForce.IMMEDIATE_OR_CANCEL},
        {"reduce_only": True},
    ],
)
async def test_an_impossible_create_never_leaves(connect: Connect, change: dict[str, Any]) -> None:
    rest, server = connect(reply(201, ACK))
    terms = {"client_order_id": "alice-1", "ticker": "M", "side": Side.BID, "price": 5000, "quantity": 100}
    with pytest.raises(e.RequestRefused):
        await rest.create_order(OrderIntent(**{**terms, **change}))
    assert server.requests == []


async def test_exchange_status_is_read_during_an_outage(connect: Connect) -> None:
    rest, server = connect(reply(503, {"exchange_active": False, "trading_active": False}))
    assert not (await rest.exchange_status()).exchange_active
    assert len(server.requests) == 1
    rest, _ = connect(reply(502, text="<html>"))
    with pytest.raises(e.ReadFailed):
        await rest.exchange_status()


ODD_MARKETS: list[dict[str, Any]] = [
    {"price_ranges": ...},
    {"ticker": None},
    {"yes_bid_dollars": "NaN"},
    {"close_time": "soon"},
    {"volume_fp": "-1.00"},
]


def _odd(row: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in {**row, **change}.items() if v is not ...}


def _markets() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(rest_bundles()["prod_202607"]["kxhighny_open_trimmed.json"])["markets"]
    return found


@pytest.mark.parametrize("change", ODD_MARKETS)
async def test_one_odd_market_does_not_hide_the_others(connect: Connect, change: dict[str, Any]) -> None:
    rows = _markets()
    rows[1] = _odd(rows[1], change)
    rest, _ = connect(reply(200, {"markets": rows, "cursor": ""}))
    found = [market.ticker async for market in rest.markets()]
    assert found == [row["ticker"] for n, row in enumerate(rows) if n != 1]
    assert sum(rest.refused_rows.values()) == 1


EVENT = {"event_ticker": "KXHIGHNY-26JUL20", "series_ticker": "KXHIGHNY", "title": "High", "mutually_exclusive": True}


@pytest.mark.parametrize("change", ODD_MARKETS)
async def test_one_odd_nested_market_hides_neither_its_event_nor_the_others(
    connect: Connect, change: dict[str, Any]
) -> None:
    rows = _markets()
    broken = {**EVENT, "fee_multiplier_override": 0.5, "markets": [_odd(rows[0], change), *rows[1:]]}
    whole = {**EVENT, "event_ticker": "WHOLE", "markets": rows}
    rest, _ = connect(reply(200, {"events": [broken, whole], "cursor": ""}))
    first, second = [event async for event in rest.events(with_nested_markets=True)]
    assert (first.event_ticker, first.series_ticker, str(first.fee_multiplier_override)) == (
        EVENT["event_ticker"],
        "KXHIGHNY",
        "0.5",
    )
    assert first.markets == (second.markets or ())[1:]
    assert [m.ticker for m in second.markets or ()] == [row["ticker"] for row in rows]
    assert sum(rest.refused_rows.values()) == 1


async def test_one_odd_event_does_not_hide_the_others(connect: Connect) -> None:
    odd = [{**EVENT, "series_ticker": None}, _odd(EVENT, {"mutually_exclusive": ...}), 7]
    rest, _ = connect(reply(200, {"events": [*odd, EVENT], "cursor": ""}))
    (event,) = [event async for event in rest.events()]
    assert (event.event_ticker, event.markets) == (EVENT["event_ticker"], None)
    assert sum(rest.refused_rows.values()) == 3


async def test_one_odd_series_does_not_hide_the_others(connect: Connect) -> None:
    good = {"ticker": "KXA", "title": "A", "fee_type": "quadratic", "fee_multiplier": 1}
    odd = [_odd(good, {"fee_type": ...}), {**good, "fee_multiplier": "much"}, None]
    rest, _ = connect(reply(200, {"series": [*odd, good]}))
    assert [series.ticker for series in await rest.series_list()] == ["KXA"]
    assert sum(rest.refused_rows.values()) == 3


async def test_one_odd_fill_refuses_the_whole_page(connect: Connect) -> None:
    rest, _ = connect(reply(200, {"fills": [FILL, {**FILL, "book_side": None}], "cursor": ""}))
    with pytest.raises(e.BadField):
        [fill async for fill in rest.fills()]


async def test_reads_are_retried_with_bounded_backoff(connect: Connect, clock: FakeClock) -> None:
    balance = reply(200, {"balance_dollars": "98.0186"})
    rest, server = connect(reply(503, {}), httpx2.ReadTimeout("late"), httpx2.ConnectError("no"), balance)
    assert (await rest.account_balance()).balance_dollars == 98_018_600
    assert len(server.requests) == 4
    assert len(clock.pauses) == 3
    assert all(pause <= 1.5 for pause in clock.pauses)


async def test_reads_give_up_after_their_attempts(connect: Connect) -> None:
    rest, server = connect(reply(500, {}))
    with pytest.raises(e.ReadFailed):
        await rest.account_balance()
    assert len(server.requests) == 4


async def test_a_refused_or_undecodable_read_is_not_retried(connect: Connect) -> None:
    rest, server = connect(reply(401, {"error": {"code": "header_timestamp_expired", "message": ""}}))
    with pytest.raises(e.ClockSkew):
        await rest.account_balance()
    assert len(server.requests) == 1
    rest, server = connect(reply(200, {"balance": 5}))
    with pytest.raises(e.MissingField):
        await rest.account_balance()
    assert len(server.requests) == 1


def test_backoff_doubles_to_one_second_plus_half_as_jitter() -> None:
    for attempt, base in enumerate([0.1, 0.2, 0.4, 0.8, 1.0, 1.0]):
        assert base <= backoff_s(attempt, Random(7)) <= base * 1.5


async def test_429_empties_our_own_bucket(connect: Connect) -> None:
    rest, _ = connect(reply(429, {"error": "too many requests"}))
    with pytest.raises(e.RateLimited):
        await rest.create_order(INTENT)
    assert rest.budget.bucket("write").tokens <= 0


async def test_cancel_names_the_market_and_may_use_the_reserve(connect: Connect) -> None:
    rest, server = connect(reply(200, {"order_id": "o1", "reduced_by": "3.00", "ts_ms": 9}))
    while rest.budget.bucket("write").take(10) == 0:
        pass
    ack = await rest.cancel_order("o1", "KXFED-26DEC-T4.25")
    assert (ack.order_id, ack.reduced_by, ack.ts_ms) == ("o1", 300, 9)
    assert server.requests[0].method == "DELETE"
    assert server.requests[0].url.path.endswith("/portfolio/events/orders/o1")
    assert server.requests[0].url.params["market_ticker"] == "KXFED-26DEC-T4.25"


async def test_cancel_of_what_is_not_resting_is_order_not_found(connect: Connect) -> None:
    rest, _ = connect(reply(404, {"error": {"code": "not_found", "message": "not found"}}))
    with pytest.raises(e.OrderNotFound):
        await rest.cancel_order("o1", "M")


async def test_cancel_answered_for_another_order_is_unknown(connect: Connect) -> None:
    rest, _ = connect(reply(200, {"order_id": "o2", "reduced_by": "3.00"}))
    with pytest.raises(e.IdentityMismatch):
        await rest.cancel_order("o1", "M")


async def test_cancel_all_accepts_an_empty_answer(connect: Connect) -> None:
    rest, server = connect(reply(204, text=""))
    await rest.cancel_all_orders()
    assert (server.requests[0].method, server.requests[0].url.path) == (
        "DELETE",
        "/trade-api/v2/portfolio/events/orders",
    )


async def test_ids_are_quoted_and_empty_ones_refused(connect: Connect) -> None:
    rest, server = connect(reply(200, {"order_id": "a/../b", "reduced_by": "0.00"}))
    await rest.cancel_order("a/../b", "M")
    assert b"/orders/a%2F..%2Fb" in server.requests[0].url.raw_path
    with pytest.raises(e.RequestRefused):
        await rest.cancel_order("", "M")


FILL = {
    "trade_id": "t",
    "order_id": "o",
    "ticker": "M",
    "book_side": "bid",
    "count_fp": "1.00",
    "yes_price_dollars": "0.5000",
    "is_taker": True,
    "fee_cost": "0.017500",
    "ts": 7,
}


@pytest.mark.parametrize("end", ["", None])
async def test_pages_end_with_an_empty_or_null_cursor(connect: Connect, end: str | None) -> None:
    rest, server = connect(reply(200, {"fills": [FILL], "cursor": "next"}), reply(200, {"fills": [], "cursor": end}))
    assert [fill.trade_id async for fill in rest.fills()] == ["t"]
    assert [r.url.params.get("cursor") for r in server.requests] == [None, "next"]


async def test_a_cursor_that_repeats_does_not_loop_for_ever(connect: Connect) -> None:
    rest, server = connect(reply(200, {"fills": [FILL], "cursor": "same"}))
    with pytest.raises(e.ReadFailed):
        [fill async for fill in rest.fills()]
    assert len(server.requests) == 2


async def test_account_budget_is_read_from_the_account(connect: Connect) -> None:
    limits = {"usage_tier": "premier", "read": {"refill_rate": 1200, "bucket_capacity": 3600}}
    limits["write"] = {"refill_rate": 1200, "bucket_capacity": 3600}
    rest, _ = connect(reply(200, limits), reply(200, {"default_cost": 11, "endpoint_costs": []}))
    assert (await rest.load_budget()).usage_tier == "premier"
    assert rest.budget.capacity(write=True) == 3600
    assert rest.budget.costs.default == 11


async def test_lists_in_a_query_repeat_the_name(connect: Connect) -> None:
    book = {"yes_dollars": [["0.4700", "3.00"]], "no_dollars": [["0.4800", "2.00"]]}
    rest, server = connect(reply(200, {"orderbooks": [{"ticker": "A", "orderbook_fp": book}]}))
    books = await rest.orderbooks(["A", "B"])
    assert server.requests[0].url.params.get_list("tickers") == ["A", "B"]
    assert (books[0].bids, books[0].asks) == (((4700, 300),), ((5200, 200),))
