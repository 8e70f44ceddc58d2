"""Amend, decrease, cancel, batches and queue positions."""

from __future__ import annotations

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


def amend(craig: Client, order_id: str, price: str, count: str, **extra: Any) -> tuple[int, Any]:
    body = {"ticker": TICKER, "side": "bid", "price": price, "count": count} | extra
    return craig.call("POST", f"{ORDERS}/{order_id}/amend", body)


def ahead(craig: Client, order_id: str) -> str:
    return str(craig.get(f"/portfolio/orders/{order_id}/queue_position")["queue_position_fp"])


def code(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], answer[1]["error"]["code"]


class TestAmend:
    def test_count_includes_what_has_filled(self, venue: Venue, craig: Client) -> None:
        order_id = craig.place(price="0.4100", count="10.00")
        venue.crowd_takes(Side.ASK, 4100, 400)
        status, ack = amend(craig, order_id, "0.4100", "9.00")
        assert (status, ack["fill_count"], ack["remaining_count"]) == (200, "4.00", "5.00")
        assert code(amend(craig, order_id, "0.4100", "4.00")) == (400, "invalid_order_size")

    def test_smaller_or_new_expiry_keeps_the_place(self, venue: Venue, craig: Client) -> None:
        order_id = craig.place(price="0.4000", count="10.00")
        venue.level(Side.BID, 4000, 5_000)
        assert ahead(craig, order_id) == "100.00"
        amend(craig, order_id, "0.4000", "8.00")
        amend(craig, order_id, "0.4000", "8.00", expiration_time=START_US // 1_000_000 + 60)
        assert ahead(craig, order_id) == "100.00"
        assert "expiration_time" in craig.order(order_id)
        amend(craig, order_id, "0.4000", "8.00", expiration_time=0)
        assert "expiration_time" not in craig.order(order_id)

    @pytest.mark.parametrize(
        ("price", "count", "expected"), [("0.4000", "11.00", "150.00"), ("0.3900", "10.00", "200.00")]
    )
    def test_larger_or_other_price_goes_to_the_back(
        self, venue: Venue, craig: Client, price: str, count: str, expected: str
    ) -> None:
        order_id = craig.place(price="0.4000", count="10.00")
        venue.level(Side.BID, 4000, 5_000)
        assert amend(craig, order_id, price, count)[0] == 200
        assert ahead(craig, order_id) == expected

    def test_may_cross_and_fill(self, venue: Venue, craig: Client) -> None:
        order_id = craig.place(price="0.4100", count="10.00")
        _, ack = amend(craig, order_id, "0.6000", "120.00")
        assert (ack["fill_count"], ack["remaining_count"]) == ("100.00", "20.00")
        assert venue.shown(Side.BID)[0] == (6000, 2_000)
        assert venue.conserved()

    def test_post_only_order_may_not_cross(self, craig: Client) -> None:
        order_id = craig.place(price="0.4100", count="10.00", post_only=True)
        assert code(amend(craig, order_id, "0.6000", "10.00")) == (400, "invalid_order")
        assert craig.order(order_id)["yes_price_dollars"] == "0.4100"

    def test_identity_must_match(self, craig: Client) -> None:
        order_id = craig.place()
        assert code(amend(craig, order_id, "0.4000", "5.00", ticker="KXELSE")) == (400, "order_ticker_mismatch")
        assert code(amend(craig, order_id, "0.4000", "5.00", side="ask")) == (400, "order_side_mismatch")
        answer = amend(craig, order_id, "0.4000", "5.00", client_order_id="other")
        assert code(answer) == (400, "order_id_and_client_order_id_mismatch")

    def test_renaming_spends_the_new_id(self, craig: Client) -> None:
        order_id = craig.place(client_order_id="old")
        amend(craig, order_id, "0.4000", "5.00", client_order_id="old", updated_client_order_id="new")
        assert craig.order(order_id)["client_order_id"] == "new"
        assert code(craig.create(client_order_id="new")) == (409, "order_already_exists")
        assert code(craig.create(client_order_id="old")) == (409, "order_already_exists")

    def test_needs_cash_for_the_growth_only(self, craig: Client) -> None:
        order_id = craig.place(price="0.4000", count="2000.00")
        assert amend(craig, order_id, "0.4000", "2500.00")[0] == 200
        assert code(amend(craig, order_id, "0.4000", "2501.00")) == (400, "insufficient_balance")
        assert craig.order(order_id)["remaining_count_fp"] == "2500.00"

    def test_order_that_no_longer_rests_is_not_found(self, craig: Client) -> None:
        order_id = craig.place()
        craig.call("DELETE", f"{ORDERS}/{order_id}")
        assert code(amend(craig, order_id, "0.4000", "5.00")) == (404, "not_found")


class TestDecrease:
    def decrease(self, craig: Client, order_id: str, **body: str) -> tuple[int, Any]:
        return craig.call("POST", f"{ORDERS}/{order_id}/decrease", body)

    def test_by_and_to_keep_the_place(self, venue: Venue, craig: Client) -> None:
        order_id = craig.place(count="10.00")
        venue.level(Side.BID, 4000, 5_000)
        assert self.decrease(craig, order_id, reduce_by="3.00")[1]["remaining_count"] == "7.00"
        assert self.decrease(craig, order_id, reduce_to="2.00")[1]["remaining_count"] == "2.00"
        assert ahead(craig, order_id) == "100.00"

    def test_exactly_one_is_needed(self, craig: Client) -> None:
        order_id = craig.place()
        assert code(self.decrease(craig, order_id)) == (400, "invalid_parameters")
        answer = self.decrease(craig, order_id, reduce_by="1.00", reduce_to="1.00")
        assert code(answer) == (400, "invalid_parameters")

    @pytest.mark.parametrize("body", [{"reduce_by": "10.00"}, {"reduce_by": "99.00"}, {"reduce_to": "0"}])
    def test_to_nothing_cancels(self, venue: Venue, craig: Client, body: dict[str, str]) -> None:
        order_id = craig.place(price="0.4100", count="10.00")
        assert self.decrease(craig, order_id, **body)[1]["remaining_count"] == "0.00"
        assert craig.order(order_id)["status"] == "canceled"
        assert venue.shown(Side.BID)[0] == (4000, 10_000)

    def test_cannot_grow(self, craig: Client) -> None:
        order_id = craig.place(count="10.00")
        assert code(self.decrease(craig, order_id, reduce_to="11.00")) == (400, "invalid_order_size")


class TestCancel:
    def test_says_what_it_took_off(self, venue: Venue, craig: Client) -> None:
        order_id = craig.place(price="0.4100", count="10.00")
        venue.crowd_takes(Side.ASK, 4100, 400)
        status, body = craig.call("DELETE", f"{ORDERS}/{order_id}")
        assert (status, body) == (200, {"order_id": order_id, "reduced_by": "6.00", "ts_ms": START_US // 1000})

    def test_unknown_canceled_executed_and_foreign_are_the_same_404(self, venue: Venue, craig: Client) -> None:
        canceled = craig.place()
        craig.call("DELETE", f"{ORDERS}/{canceled}")
        executed = craig.place(price="0.6000", count="1.00")
        foreign = venue.clients["cliff"].place()
        answers = [craig.call("DELETE", f"{ORDERS}/{i}") for i in (canceled, executed, foreign, "nothing")]
        assert answers == [(404, {"error": {"code": "not_found", "message": "not found"}})] * 4

    def test_all_cancels_everything_of_this_account_only(self, venue: Venue, craig: Client) -> None:
        mine = [craig.place(price=p) for p in ("0.4000", "0.4100")]
        theirs = venue.clients["cliff"].place(price="0.4200")
        assert craig.call("DELETE", ORDERS) == (204, None)
        assert {craig.order(i)["status"] for i in mine} == {"canceled"}
        assert venue.clients["cliff"].order(theirs)["status"] == "resting"

    def test_wrong_market_ticker_is_not_found(self, craig: Client) -> None:
        order_id = craig.place()
        assert code(craig.call("DELETE", f"{ORDERS}/{order_id}?market_ticker=KXELSE")) == (404, "not_found")
        assert craig.call("DELETE", f"{ORDERS}/{order_id}?market_ticker={TICKER}")[0] == 200


class TestBatches:
    def test_items_succeed_and_fail_singly_and_in_order(self, craig: Client) -> None:
        items = [
            craig.body(price="0.4100"),
            craig.body(price="0.4150", client_order_id="bad"),
            craig.body(price="0.6000", time_in_force="immediate_or_cancel"),
            craig.body(client_order_id="craig-1"),
        ]
        status, body = craig.call("POST", f"{ORDERS}/batched", {"orders": items})
        assert status == 201
        first, second, third, fourth = body["orders"]
        assert (first["remaining_count"], third["fill_count"]) == ("10.00", "10.00")
        assert second == {
            "client_order_id": "bad",
            "error": {"code": "invalid_price", "message": "invalid price", "details": ""},
        }
        assert fourth["error"]["code"] == "order_already_exists"
        assert len(craig.get("/portfolio/orders")["orders"]) == 2

    def test_cancel_by_a_delete_with_a_body(self, craig: Client) -> None:
        order_id = craig.place(count="10.00")
        body = {"orders": [{"order_id": order_id}, {"order_id": "nothing"}]}
        status, answer = craig.call("DELETE", f"{ORDERS}/batched", body)
        assert status == 200
        assert answer["orders"][0]["reduced_by"] == "10.00"
        assert answer["orders"][1]["reduced_by"] == "0.00"
        assert answer["orders"][1]["error"]["code"] == "not_found"

    def test_wrong_type_in_one_item_refuses_the_whole_body(self, craig: Client) -> None:
        items = [craig.body(), craig.body() | {"count": 1}]
        status, body = craig.call("POST", f"{ORDERS}/batched", {"orders": items})
        assert (status, body["code"]) == (400, "bad_request")
        assert "BatchCreateOrdersV2Request.orders.count" in body["details"]
        assert craig.get("/portfolio/orders")["orders"] == []

    @pytest.mark.parametrize("body", [{}, {"orders": []}, {"orders": "x"}, {"orders": [1]}])
    def test_no_list_no_batch(self, craig: Client, body: Any) -> None:
        assert craig.call("POST", f"{ORDERS}/batched", body)[0] == 400
        assert craig.call("DELETE", f"{ORDERS}/batched", body)[0] == 400


def test_queue_positions_by_market_and_event(craig: Client) -> None:
    order_id = craig.place(price="0.3900", count="1.00")
    expected = [{"order_id": order_id, "market_ticker": TICKER, "queue_position_fp": "150.00"}]
    for target in (f"?market_tickers={TICKER}", "?event_ticker=KXTEST-26DEC31", ""):
        assert craig.get(f"/portfolio/orders/queue_positions{target}")["queue_positions"] == expected
    assert craig.get("/portfolio/orders/queue_positions?market_tickers=KXELSE")["queue_positions"] == []
