"""Taking orders: what is accepted, what is refused with which words, and what it costs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from apps.engine.types import Side

from .venue import ORDERS, START_US, TICKER, Client, Venue, make_venue


@pytest.fixture
def venue() -> Venue:
    return make_venue()


@pytest.fixture
def craig(venue: Venue) -> Client:
    return venue.clients["craig"]


def code(answer: tuple[int, Any]) -> tuple[int, str]:
    status, body = answer
    return status, body["error"]["code"]


def test_resting_order_is_acknowledged_shown_and_binds_no_cash_of_the_balance(venue: Venue, craig: Client) -> None:
    status, ack = craig.create(price="0.4100", count="10")
    assert status == 201
    assert ack == {
        "order_id": ack["order_id"],
        "client_order_id": "craig-1",
        "fill_count": "0.00",
        "remaining_count": "10.00",
        "ts_ms": START_US // 1000,
    }
    assert venue.shown(Side.BID)[0] == (4100, 1_000)
    assert craig.order(ack["order_id"])["status"] == "resting"
    assert craig.cash() == "1000.0000"


def test_taker_pays_price_and_fee_at_once(venue: Venue, craig: Client) -> None:
    status, ack = craig.create(price="0.6000", count="10.00", time_in_force="immediate_or_cancel")
    assert status == 201
    assert (ack["fill_count"], ack["remaining_count"]) == ("10.00", "0.00")
    assert (ack["average_fill_price"], ack["average_fee_paid"]) == ("0.6000", "0.0168")
    assert craig.cash() == "993.8320"
    [fill] = craig.get("/portfolio/fills")["fills"]
    assert (fill["fee_cost"], fill["is_taker"], fill["outcome_side"]) == ("0.168000", True, "yes")
    assert "client_order_id" not in fill
    assert venue.conserved()


def test_ask_opens_a_no_position_and_reads_back_as_a_sale(craig: Client) -> None:
    order_id = craig.place("ask", price="0.4000", count="10.00", time_in_force="immediate_or_cancel")
    order = craig.order(order_id)
    assert [order[k] for k in ("action", "side", "book_side", "outcome_side")] == ["sell", "yes", "ask", "no"]
    assert order["taker_fill_cost_dollars"] == "6.000000"
    [position] = craig.get("/portfolio/positions")["market_positions"]
    assert (position["position_fp"], position["market_exposure_dollars"]) == ("-10.00", "6.000000")


def test_maker_fill_comes_from_the_crowd_without_a_fee(venue: Venue, craig: Client) -> None:
    order_id = craig.place(price="0.4100", count="10.00", post_only=True)
    venue.crowd_takes(Side.ASK, 4100, 400)
    order = craig.order(order_id)
    assert (order["fill_count_fp"], order["remaining_count_fp"], order["status"]) == ("4.00", "6.00", "resting")
    assert (order["maker_fill_cost_dollars"], order["maker_fees_dollars"]) == ("1.640000", "0.000000")
    assert craig.cash() == "998.3600"
    assert venue.conserved()


def test_maker_fee_is_charged_where_the_series_has_one() -> None:
    venue = make_venue(fee_type="quadratic_with_maker_fees")
    craig = venue.clients["craig"]
    order_id = craig.place(price="0.5000", count="100.00")
    venue.crowd_takes(Side.ASK, 5000, 10_000)
    assert craig.order(order_id)["maker_fees_dollars"] == "0.437500"
    assert venue.conserved()


def test_fee_rounding_is_carried_from_fill_to_fill_of_an_order() -> None:
    venue = make_venue(asks=[(5000, 30), (5100, 30), (5200, 30)])
    craig = venue.clients["craig"]
    craig.place(price="0.5200", count="0.90")
    fees = [f["fee_cost"] for f in craig.get("/portfolio/fills")["fills"]][::-1]
    separate = []
    for price in (5000, 5100, 5200):
        alone = make_venue(asks=[(price, 30)]).clients["craig"]
        alone.place(price=f"{price / 10_000:.4f}", count="0.30")
        separate.append(alone.get("/portfolio/fills")["fills"][0]["fee_cost"])
    assert fees[0] == separate[0]
    assert sum(map(Decimal, fees)) < sum(map(Decimal, separate))


def test_two_accounts_trade_with_each_other(venue: Venue, craig: Client) -> None:
    resting = craig.place(price="0.5000", count="5.00")
    cliff = venue.clients["cliff"]
    taking = cliff.place("ask", price="0.5000", count="5.00")
    assert craig.order(resting)["status"] == cliff.order(taking)["status"] == "executed"
    [mine], [theirs] = craig.get("/portfolio/fills")["fills"], cliff.get("/portfolio/fills")["fills"]
    assert mine["trade_id"] == theirs["trade_id"]
    assert (mine["is_taker"], theirs["is_taker"]) == (False, True)
    assert venue.conserved()


def test_buying_the_other_leg_closes_and_releases_cash(venue: Venue, craig: Client) -> None:
    craig.place(price="0.6000", count="10.00", time_in_force="immediate_or_cancel")
    craig.place("ask", price="0.4000", count="10.00", time_in_force="immediate_or_cancel")
    assert craig.cash() == "997.6640"
    [position] = craig.get("/portfolio/positions")["market_positions"]
    assert (position["position_fp"], position["realized_pnl_dollars"]) == ("0.00", "-2.000000")
    assert venue.conserved()


class TestRefusals:
    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"price": "0.4050"}, (400, "invalid_price")),
            ({"price": "0.0000"}, (400, "invalid_price")),
            ({"price": "1.0000"}, (400, "invalid_price")),
            ({"price": "NaN"}, (400, "invalid_price")),
            ({"price": "-0.4000"}, (400, "invalid_price")),
            ({"count": "0.00"}, (400, "invalid_order_size")),
            ({"count": "-1.00"}, (400, "invalid_order_size")),
            ({"count": "99999999999999.00"}, (400, "invalid_order_size")),
            ({"count": "1.001"}, (400, "invalid_parameters")),
            ({"count": "1e3"}, (400, "invalid_parameters")),
            ({"client_order_id": "a.b"}, (400, "invalid_parameters")),
            ({"side": "buy"}, (400, "invalid_parameters")),
            ({"time_in_force": "day"}, (400, "invalid_parameters")),
            ({"self_trade_prevention_type": "none"}, (400, "invalid_parameters")),
            ({"ticker": "KXNONE-1"}, (404, "market_not_found")),
            ({"ticker": None}, (400, "missing_parameters")),
            ({"price": None}, (400, "missing_parameters")),
            ({"count": "1000.00", "price": "0.9900"}, (400, "insufficient_balance")),
            ({"expiration_time": START_US // 1_000_000}, (400, "invalid_parameters")),
            ({"expiration_time": 10**15}, (400, "invalid_parameters")),
            ({"order_group_id": "nowhere"}, (404, "order_group_not_found")),
            ({"subaccount": 3}, (404, "not_found")),
            ({"reduce_only": True}, (400, "invalid_parameters")),
            ({"post_only": True, "time_in_force": "immediate_or_cancel"}, (400, "invalid_parameters")),
        ],
    )
    def test_bad_order_is_refused_and_leaves_nothing(
        self, craig: Client, change: dict[str, Any], expected: tuple[int, str]
    ) -> None:
        body = craig.body() | change
        assert code(craig.call("POST", ORDERS, body)) == expected
        assert craig.get("/portfolio/orders")["orders"] == []
        good = craig.body(client_order_id=str(body["client_order_id"]).replace(".", "-"))
        assert craig.call("POST", ORDERS, good)[0] == 201

    @pytest.mark.parametrize(
        ("field", "value", "details"),
        [
            ("count", 1, "cannot unmarshal number into Go struct field CreateOrderV2Request.count of type string"),
            ("price", 0.4, "cannot unmarshal number into Go struct field CreateOrderV2Request.price of type string"),
            (
                "post_only",
                "yes",
                "cannot unmarshal string into Go struct field CreateOrderV2Request.post_only of type bool",
            ),
            (
                "expiration_time",
                1.5,
                "cannot unmarshal number into Go struct field CreateOrderV2Request.expiration_time of type int64",
            ),
            ("ticker", ["a"], "cannot unmarshal array into Go struct field CreateOrderV2Request.ticker of type string"),
        ],
    )
    def test_wrong_json_types_are_refused_in_the_flat_shape(
        self, craig: Client, field: str, value: Any, details: str
    ) -> None:
        status, body = craig.call("POST", ORDERS, craig.body() | {field: value})
        assert status == 400
        assert body == {"code": "bad_request", "message": "bad request", "details": f"json: {details}"}

    @pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"nonsense", b'{"count":', b"\xff\xfe", b"[" * 100_000])
    def test_rubbish_is_refused(self, craig: Client, payload: bytes) -> None:
        status, body = craig.call("POST", ORDERS, payload)
        assert (status, body["code"]) == (400, "bad_request")

    def test_oversized_body_is_refused(self, craig: Client) -> None:
        assert craig.call("POST", ORDERS, b" " * (2 << 20))[0] == 413


class TestClientOrderIds:
    def test_reuse_is_refused_for_ever(self, craig: Client) -> None:
        order_id = craig.place(client_order_id="once")
        assert code(craig.create(client_order_id="once")) == (409, "order_already_exists")
        craig.call("DELETE", f"{ORDERS}/{order_id}")
        assert code(craig.create(client_order_id="once")) == (409, "order_already_exists")

    def test_ids_are_per_account_and_optional(self, venue: Venue, craig: Client) -> None:
        craig.place(client_order_id="same")
        venue.clients["cliff"].place(client_order_id="same")
        for _ in range(2):
            status, ack = craig.create(client_order_id="")
            assert status == 201
            assert "client_order_id" not in ack


class TestPostOnly:
    def test_cross_is_refused_and_leaves_a_canceled_row_that_spent_its_id(self, craig: Client) -> None:
        status, body = craig.create(price="0.6000", post_only=True, client_order_id="po")
        assert (status, body) == (
            400,
            {"error": {"code": "invalid_order", "message": "invalid order", "details": "post only cross"}},
        )
        [row] = craig.get("/portfolio/orders")["orders"]
        assert (row["status"], row["fill_count_fp"], row["remaining_count_fp"]) == ("canceled", "0.00", "0.00")
        assert row["created_time"] == row["last_update_time"]
        assert code(craig.create(price="0.3000", client_order_id="po")) == (409, "order_already_exists")

    def test_one_tick_below_rests(self, craig: Client) -> None:
        assert craig.create(price="0.5900", post_only=True)[0] == 201


class TestTimeInForce:
    def test_ioc_that_meets_nothing_is_taken_and_canceled(self, craig: Client) -> None:
        status, ack = craig.create(price="0.5000", time_in_force="immediate_or_cancel")
        assert (status, ack["fill_count"], ack["remaining_count"]) == (201, "0.00", "0.00")
        assert craig.order(ack["order_id"])["status"] == "canceled"

    def test_ioc_keeps_its_part(self, craig: Client) -> None:
        _, ack = craig.create(price="0.6000", count="150.00", time_in_force="immediate_or_cancel")
        assert (ack["fill_count"], ack["remaining_count"]) == ("100.00", "0.00")
        assert craig.order(ack["order_id"])["status"] == "canceled"

    def test_fok_fills_whole_or_is_an_error_without_an_order(self, craig: Client) -> None:
        answer = craig.create(price="0.6000", count="100.01", time_in_force="fill_or_kill")
        assert code(answer) == (409, "fill_or_kill_insufficient_resting_volume")
        assert craig.get("/portfolio/orders")["orders"] == []
        assert craig.create(price="0.6000", count="100.00", time_in_force="fill_or_kill")[1]["fill_count"] == "100.00"

    def test_order_expires_by_itself(self, venue: Venue, craig: Client) -> None:
        order_id = craig.place(expiration_time=START_US // 1_000_000 + 5)
        assert craig.order(order_id)["expiration_time"].endswith("Z")
        venue.clock.advance(4.9)
        assert craig.order(order_id)["status"] == "resting"
        venue.clock.advance(0.2)
        assert craig.order(order_id)["status"] == "canceled"


class TestSelfTrade:
    def test_taker_at_cross_cancels_the_incoming(self, craig: Client) -> None:
        own = craig.place(price="0.5000", count="5.00")
        _, ack = craig.create("ask", price="0.4000", count="20.00")
        assert (ack["fill_count"], ack["remaining_count"]) == ("0.00", "0.00")
        assert craig.order(own)["status"] == "resting"

    def test_maker_cancels_the_resting_one_and_goes_on(self, craig: Client) -> None:
        own = craig.place(price="0.5000", count="5.00")
        _, ack = craig.create(
            "ask",
            price="0.4000",
            count="20.00",
            self_trade_prevention_type="maker",
            time_in_force="immediate_or_cancel",
        )
        assert ack["fill_count"] == "20.00"
        assert craig.order(own)["status"] == "canceled"


class TestReduceOnly:
    def ioc(self, craig: Client, count: str) -> tuple[int, Any]:
        return craig.create("ask", price="0.4000", count=count, reduce_only=True, time_in_force="immediate_or_cancel")

    def test_is_capped_at_the_position(self, venue: Venue, craig: Client) -> None:
        craig.place(price="0.6000", count="3.00", time_in_force="immediate_or_cancel")
        assert self.ioc(craig, "10.00")[1]["fill_count"] == "3.00"
        assert craig.get("/portfolio/positions")["market_positions"][0]["position_fp"] == "0.00"

    def test_without_a_position_ends_canceled(self, craig: Client) -> None:
        status, ack = self.ioc(craig, "10.00")
        assert (status, ack["fill_count"], ack["remaining_count"]) == (201, "0.00", "0.00")
        assert craig.order(ack["order_id"])["status"] == "canceled"


class TestFunds:
    def test_resting_orders_bind_cash_until_they_are_gone(self, craig: Client) -> None:
        first = craig.place(price="0.4000", count="2000.00")
        assert code(craig.create(price="0.4000", count="501.00")) == (400, "insufficient_balance")
        craig.call("DELETE", f"{ORDERS}/{first}")
        assert craig.create(price="0.4000", count="501.00")[0] == 201

    def test_fee_must_be_covered_too(self, craig: Client) -> None:
        rich = make_venue(asks=[(5000, 1_000_000)], cash=10_000_000)
        client = rich.clients["craig"]
        assert code(client.create(price="0.5000", count="20.00")) == (400, "insufficient_balance")
        assert client.create(price="0.5000", count="19.00")[0] == 201
        assert rich.exchange.state.accounts["craig"].cash >= 0

    def test_closing_needs_no_cash(self) -> None:
        venue = make_venue(cash=6_200_000)
        craig = venue.clients["craig"]
        craig.place(price="0.6000", count="10.00", time_in_force="immediate_or_cancel")
        assert craig.create("ask", price="0.9000", count="10.00")[0] == 201

    def test_a_position_can_be_closed_for_nothing_only_once(self) -> None:
        venue = make_venue(cash=6_200_000)
        craig = venue.clients["craig"]
        craig.place(price="0.6000", count="10.00", time_in_force="immediate_or_cancel")
        craig.place("ask", price="0.9000", count="10.00")
        assert code(craig.create("ask", price="0.9500", count="10.00")) == (400, "insufficient_balance")

    def test_balance_can_be_shown_net_of_resting_orders(self) -> None:
        venue = make_venue(balance_net_of_resting=True)
        craig = venue.clients["craig"]
        craig.place(price="0.4000", count="100.00")
        assert craig.cash() == "960.0000"


def test_fine_grid_takes_what_the_cent_grid_refuses() -> None:
    venue = make_venue(structure="tapered_deci_cent")
    craig = venue.clients["craig"]
    assert craig.create(price="0.0510", count="1.00")[0] == 201
    assert code(craig.create(price="0.1510", count="1.00")) == (400, "invalid_price")


def test_retired_order_writes_are_gone(craig: Client) -> None:
    for method, path in (("POST", ""), ("POST", "/batched"), ("DELETE", "/x"), ("POST", "/x/amend")):
        status, body = craig.call(method, f"/portfolio/orders{path}", {"ticker": TICKER})
        assert (status, body["error"]["code"]) == (410, "deprecated_v1_order_endpoint")
        assert body["error"]["message"] == "Please switch to the V2 endpoints"
