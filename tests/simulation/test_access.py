"""Signatures, clock, token buckets, public reads and parameters."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from apps.simulation.exchange.config import Credential, ExchangeConfig
from apps.simulation.exchange.exchange import create_exchange
from apps.simulation.exchange.rest.call import BASE, Request
from apps.simulation.exchange.rest.dispatch import respond

from .venue import ORDERS, START_US, TICKER, Client, Venue, make_venue

BALANCE = f"{BASE}/portfolio/balance"


@pytest.fixture
def venue() -> Venue:
    return make_venue()


@pytest.fixture
def craig(venue: Venue) -> Client:
    return venue.clients["craig"]


def answer(venue: Venue, headers: dict[str, str], path: str = BALANCE) -> tuple[int, str]:
    status, body = venue.raw(Request("GET", path, "", headers))
    return status, body.get("error", {}).get("code", "")


class TestSignature:
    @pytest.mark.parametrize(("skew_s", "status"), [(-14, 200), (14, 200), (-16, 401), (16, 401)])
    def test_clock_window_is_fifteen_seconds(self, venue: Venue, craig: Client, skew_s: int, status: int) -> None:
        headers = craig.headers("GET", BALANCE, skew_ms=skew_s * 1000)
        assert answer(venue, headers)[0] == status

    def test_each_missing_header_is_named(self, venue: Venue, craig: Client) -> None:
        for header, name in (("signature", "signature"), ("key", "key"), ("timestamp", "timestamp")):
            headers = craig.headers("GET", BALANCE)
            del headers[f"kalshi-access-{header}"]
            assert answer(venue, headers) == (401, f"{name}_is_missing_from_headers")

    @pytest.mark.parametrize("stamp", ["", "soon", "-5", "1e9", "٣", "9" * 40])
    def test_odd_timestamps_are_refused(self, venue: Venue, craig: Client, stamp: str) -> None:
        headers = craig.headers("GET", BALANCE) | {"kalshi-access-timestamp": stamp}
        assert answer(venue, headers)[0] == 401

    @pytest.mark.parametrize("signature", ["####", "AAAA", "ü"])
    def test_odd_signatures_are_refused(self, venue: Venue, craig: Client, signature: str) -> None:
        headers = craig.headers("GET", BALANCE) | {"kalshi-access-signature": signature}
        assert answer(venue, headers) == (401, "authentication_error")

    def test_method_and_path_are_signed_and_the_query_is_not(self, venue: Venue, craig: Client) -> None:
        assert answer(venue, craig.headers("POST", BALANCE))[0] == 401
        assert answer(venue, craig.headers("GET", f"{BALANCE}?subaccount=0"))[0] == 401
        headers = craig.headers("GET", BALANCE)
        assert venue.raw(Request("GET", BALANCE, "subaccount=0", headers))[0] == 200

    def test_percent_encoded_path_is_signed_as_received(self, venue: Venue, craig: Client) -> None:
        path = f"{BASE}/markets/{TICKER.replace('-', '%2D')}"
        assert venue.raw(Request("GET", path, "", craig.headers("GET", path)))[0] == 200

    def test_public_read_with_a_bad_signature_is_refused(self, venue: Venue, craig: Client) -> None:
        headers = craig.headers("GET", "/elsewhere")
        assert answer(venue, headers, f"{BASE}/markets") == (401, "authentication_error")

    def test_rsa_keys_work_too(self, venue: Venue) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        config = ExchangeConfig(credentials=(Credential("rsa", key.public_key()),))
        exchange = create_exchange(config, venue.clock, venue.exchange.state.ids)
        stamp = str(START_US // 1000)
        pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)
        signature = key.sign(f"{stamp}GET{BALANCE}".encode(), pss, hashes.SHA256())
        headers = {
            "kalshi-access-key": "rsa",
            "kalshi-access-timestamp": stamp,
            "kalshi-access-signature": base64.b64encode(signature).decode(),
        }
        assert respond(exchange, Request("GET", BALANCE, "", headers))[0] == 200

    def test_accounts_do_not_see_each_other(self, venue: Venue, craig: Client) -> None:
        order_id = craig.place()
        cliff = venue.clients["cliff"]
        assert cliff.call("GET", f"/portfolio/orders/{order_id}")[0] == 404
        assert cliff.get("/portfolio/orders")["orders"] == []


class TestBuckets:
    def test_writes_and_reads_have_their_own(self) -> None:
        venue = make_venue(tier="basic", burst_seconds=1)
        craig = venue.clients["craig"]
        statuses = [craig.create(count="1.00")[0] for _ in range(11)]
        assert statuses == [201] * 10 + [429]
        assert craig.create()[1] == {"error": "too many requests"}
        assert craig.call("GET", "/portfolio/balance")[0] == 200
        venue.clock.advance(0.1)
        assert craig.create()[0] == 201

    def test_cancel_costs_two_and_reading_one_order_two(self) -> None:
        venue = make_venue(tier="basic", burst_seconds=1)
        craig = venue.clients["craig"]
        order_id = craig.place()
        assert [craig.call("DELETE", f"{ORDERS}/x")[0] for _ in range(46)] == [404] * 45 + [429]
        statuses = [craig.call("GET", f"/portfolio/orders/{order_id}")[0] for _ in range(101)]
        assert statuses == [200] * 100 + [429]

    def test_batch_must_fit_whole(self) -> None:
        venue = make_venue(tier="basic", burst_seconds=1)
        craig = venue.clients["craig"]
        batch = {"orders": [craig.body(count="1.00") for _ in range(11)]}
        assert craig.call("POST", f"{ORDERS}/batched", batch)[0] == 429
        assert craig.get("/portfolio/orders")["orders"] == []
        batch["orders"].pop()
        assert craig.call("POST", f"{ORDERS}/batched", batch)[0] == 201

    def test_limits_say_what_the_buckets_are(self) -> None:
        craig = make_venue(tier="advanced", read_rate=70).clients["craig"]
        limits = craig.get("/account/limits")
        assert limits["usage_tier"] == "advanced"
        assert limits["read"] == {"refill_rate": 70, "bucket_capacity": 210}
        assert limits["write"] == {"refill_rate": 300, "bucket_capacity": 900}

    def test_unsigned_public_reads_are_free(self) -> None:
        venue = make_venue(tier="basic", burst_seconds=1)
        assert {venue.public("/markets")[0] for _ in range(100)} == {200}


class TestParameters:
    @pytest.mark.parametrize(
        ("target", "request_name", "field", "tag"),
        [
            ("/markets?limit=1001", "GetMarkets", "Limit", "lte"),
            ("/markets?limit=-1", "GetMarkets", "Limit", "gte"),
            ("/markets?limit=many", "GetMarkets", "Limit", "number"),
            ("/markets?status=active", "GetMarkets", "Status", "oneof"),
            ("/events?limit=201", "GetEvents", "Limit", "lte"),
            ("/milestones", "GetMilestones", "Limit", "required"),
            ("/structured_targets?page_size=2001", "GetStructuredTargets", "PageSize", "lte"),
            ("/incentive_programs?limit=10001", "GetIncentives", "Limit", "lte"),
            ("/markets/orderbooks", "GetMarketOrderbooks", "Tickers", "required"),
            (f"/markets/{TICKER}/orderbook?depth=101", "GetMarketOrderbook", "Depth", "lte"),
        ],
    )
    def test_bad_parameter_is_refused_in_the_bare_shape(
        self, venue: Venue, target: str, request_name: str, field: str, tag: str
    ) -> None:
        text = (
            f"Parameter validation failed for {request_name}: Key: '{request_name}Params.{field}' "
            f"Error:Field validation for '{field}' failed on the '{tag}' tag"
        )
        assert venue.public(target) == (400, {"msg": text})

    def test_unknown_parameters_are_ignored(self, venue: Venue) -> None:
        assert venue.public("/markets?colour=blue")[0] == 200

    def test_cursor_walks_all_pages_once(self, venue: Venue, craig: Client) -> None:
        ids = [craig.place(count="1.00") for _ in range(7)]
        seen: list[str] = []
        cursor = ""
        while True:
            page = craig.get(f"/portfolio/orders?limit=3&cursor={cursor}")
            seen += [o["order_id"] for o in page["orders"]]
            cursor = page["cursor"]
            if not cursor:
                break
        assert seen == ids[::-1]

    @pytest.mark.parametrize("cursor", ["garbage", "%00", "bnh4", "💥", "=" * 50])
    def test_garbage_cursor_starts_over(self, venue: Venue, cursor: str) -> None:
        status, body = venue.public(f"/markets?cursor={cursor}")
        assert (status, len(body["markets"])) == (200, 1)


class TestPublicReads:
    @pytest.mark.parametrize(
        "target",
        [
            "/exchange/status",
            "/exchange/schedule",
            "/series",
            "/series/KXTEST",
            "/series/fee_changes",
            "/events",
            "/events?with_nested_markets=true&with_milestones=true&status=open",
            "/events/KXTEST-26DEC31",
            "/events/KXTEST-26DEC31?with_nested_markets=true",
            "/events/KXTEST-26DEC31/metadata",
            "/events/fee_changes",
            f"/markets/{TICKER}",
            f"/markets/orderbooks?tickers={TICKER}&tickers=KXELSE",
            "/markets/trades",
            f"/markets/candlesticks?market_tickers={TICKER}&start_ts=1&end_ts=2&period_interval=1",
            f"/series/KXTEST/markets/{TICKER}/candlesticks?start_ts=1&end_ts=2&period_interval=60",
            "/series/KXTEST/events/KXTEST-26DEC31/candlesticks?start_ts=1&end_ts=2&period_interval=1440",
            "/milestones?limit=5",
            "/structured_targets",
            "/incentive_programs?status=active&type=liquidity",
            "/historical/cutoff",
            "/historical/markets",
            "/historical/trades",
            "/account/endpoint_costs",
        ],
    )
    def test_answers_without_a_key(self, venue: Venue, target: str) -> None:
        assert venue.public(target)[0] == 200

    @pytest.mark.parametrize(
        "target",
        ["/exchange/announcements", "/markets/KXELSE", "/events/KXELSE", "/series/KXELSE", "/nowhere", "/"],
    )
    def test_unknown_things_are_not_found(self, venue: Venue, target: str) -> None:
        assert venue.public(target) == (404, {"error": {"code": "not_found", "message": "not found"}})

    @pytest.mark.parametrize(
        "target",
        [
            "/portfolio/balance",
            "/portfolio/orders",
            "/portfolio/fills",
            "/portfolio/positions",
            "/portfolio/settlements",
            "/portfolio/summary/total_resting_order_value",
            "/portfolio/order_groups",
            "/account/limits",
            "/api_keys",
            "/exchange/user_data_timestamp",
            "/historical/orders",
        ],
    )
    def test_private_things_need_a_signature(self, venue: Venue, craig: Client, target: str) -> None:
        assert venue.public(target)[0] == 401
        assert craig.call("GET", target)[0] == 200

    def test_book_is_ascending_bids_of_both_legs(self, venue: Venue) -> None:
        _, body = venue.public(f"/markets/{TICKER}/orderbook")
        assert body["orderbook_fp"] == {
            "yes_dollars": [["0.3900", "50.00"], ["0.4000", "100.00"]],
            "no_dollars": [["0.3900", "50.00"], ["0.4000", "100.00"]],
        }
        _, top = venue.public(f"/markets/{TICKER}/orderbook?depth=1")
        assert top["orderbook_fp"]["yes_dollars"] == [["0.4000", "100.00"]]

    def test_milestone_and_target_are_found_by_id(self, venue: Venue) -> None:
        for key, one in (("milestones", "milestone"), ("structured_targets", "structured_target")):
            row = venue.public(f"/{key}?limit=5")[1][key][0]
            assert venue.public(f"/{key}/{row['id']}")[1] == {one: row}
            assert venue.public(f"/{key}/nothing")[0] == 404


def test_market_filters(venue: Venue) -> None:
    def found(query: str) -> list[Any]:
        return [m["ticker"] for m in venue.public(f"/markets?{query}")[1]["markets"]]

    day_s, now_s = 86_400, START_US // 1_000_000
    for query in (
        "status=open",
        "event_ticker=KXTEST-26DEC31",
        "series_ticker=KXTEST",
        f"tickers=KXELSE,{TICKER}",
        f"max_close_ts={now_s + 2 * day_s}",
        "mve_filter=exclude",
    ):
        assert found(query) == [TICKER]
    for query in (
        "status=settled",
        "event_ticker=X",
        "series_ticker=X",
        "tickers=X",
        f"max_close_ts={now_s}",
        "mve_filter=only",
    ):
        assert found(query) == []
