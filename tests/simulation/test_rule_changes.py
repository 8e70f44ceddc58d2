"""What an exchange may do to its clients' ground: grid, fees, tier, key, results taken back, voided markets."""

from __future__ import annotations

from typing import Any

import pytest

from apps.engine.errors import UnknownFeeType
from apps.simulation.exchange.clock import MICROS, rfc3339

from .venue import ORDERS, START_US, TICKER, Client, Venue, make_venue

EVENT = "KXTEST-26DEC31"
SERIES = "KXTEST"


@pytest.fixture
def venue() -> Venue:
    return make_venue()


@pytest.fixture
def craig(venue: Venue) -> Client:
    return venue.clients["craig"]


def fee_of_a_take(craig: Client) -> str:
    order_id = craig.place("bid", "0.6000", "1.00")
    return str(craig.order(order_id)["taker_fees_dollars"])


class TestGrid:
    def test_new_prices_are_taken_and_the_socket_says_so(self, venue: Venue, craig: Client) -> None:
        socket = craig.socket()
        socket.subscribe("market_lifecycle_v2")
        assert craig.create(price="0.4050")[1]["error"]["code"] == "invalid_price"
        venue.exchange.change_grid(TICKER, "deci_cent")
        order_id = craig.place(price="0.4050")
        [frame] = socket.take("market_lifecycle_v2")
        assert frame["msg"]["event_type"] == "price_level_structure_updated"
        assert frame["msg"]["price_ranges"] == craig.get(f"/markets/{TICKER}")["market"]["price_ranges"]
        # Back to cents: what rests between them stays, and cannot be renewed at its price.
        venue.exchange.change_grid(TICKER, "linear_cent")
        assert craig.order(order_id)["status"] == "resting"
        body = {"ticker": TICKER, "side": "bid", "price": "0.4050", "count": "10.00"}
        assert craig.call("POST", f"{ORDERS}/{order_id}/amend", body)[1]["error"]["code"] == "invalid_price"

    def test_an_unknown_structure_changes_nothing(self, venue: Venue) -> None:
        with pytest.raises(KeyError):
            venue.exchange.change_grid(TICKER, "half_cents")
        assert venue.market.structure == "linear_cent"


class TestFees:
    def test_a_series_changes_at_its_time_without_a_word(self, venue: Venue, craig: Client) -> None:
        socket = craig.socket()
        socket.subscribe("market_lifecycle_v2")
        midnight = START_US + 60 * MICROS
        venue.exchange.plan_fees(SERIES, "quadratic", "0.5", at_us=midnight)
        [announced] = craig.get("/series/fee_changes")["series_fee_change_arr"]
        assert (announced["fee_multiplier"], announced["scheduled_ts"]) == (0.5, rfc3339(midnight))
        venue.clock.set(midnight - 1)
        assert fee_of_a_take(craig) == "0.016800"
        venue.clock.set(midnight)
        assert fee_of_a_take(craig) == "0.008400"
        assert craig.get(f"/series/{SERIES}")["series"]["fee_multiplier"] == 0.5
        assert craig.get("/series/fee_changes")["series_fee_change_arr"] == []
        assert socket.take("event_fee_update") == []

    def test_an_event_overrides_its_series_until_that_is_cleared(self, venue: Venue, craig: Client) -> None:
        socket = craig.socket()
        socket.subscribe("market_lifecycle_v2")
        venue.exchange.plan_fees(SERIES, None, "2", event=EVENT)
        assert fee_of_a_take(craig) == "0.033600"
        assert craig.get(f"/events/{EVENT}")["event"]["fee_multiplier_override"] == 2.0
        venue.exchange.plan_fees(SERIES, None, None, event=EVENT, at_us=START_US + MICROS)
        assert craig.get("/events/fee_changes")["event_fee_changes"][0]["fee_multiplier_override"] is None
        venue.clock.advance(1)
        assert fee_of_a_take(craig) == "0.016800"
        told = [f["msg"]["fee_multiplier_override"] for f in socket.take("event_fee_update")]
        assert told == [2.0, None]

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ((SERIES, "quadratic", None), ValueError),
            ((SERIES, "mystery", "1"), UnknownFeeType),
            (("KXNONE", "quadratic", "1"), KeyError),
        ],
    )
    def test_fees_nobody_could_compute_are_refused(
        self, venue: Venue, arguments: tuple[Any, ...], error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            venue.exchange.plan_fees(*arguments)
        assert venue.exchange.state.fee_changes == []


class TestAccount:
    def test_a_downgrade_lowers_rate_and_bucket_at_once(self, venue: Venue, craig: Client) -> None:
        venue.exchange.set_tier("craig", "basic")
        limits = craig.get("/account/limits")
        assert limits["usage_tier"] == "basic"
        assert limits["write"] == {"refill_rate": 100, "bucket_capacity": 300}
        answers = [craig.create(count="1.00")[0] for _ in range(31)]
        assert answers == [201] * 30 + [429]

    def test_a_drained_bucket_refills_at_its_rate(self, venue: Venue, craig: Client) -> None:
        venue.exchange.set_tier("craig", "basic")
        venue.exchange.drain("craig")
        assert craig.create()[0] == 429
        venue.clock.advance(0.1)
        assert craig.create()[0] == 201
        assert craig.create()[0] == 429

    def test_a_revoked_key_is_unknown_and_its_orders_stay(self, venue: Venue, craig: Client) -> None:
        craig.place()
        venue.exchange.revoke("craig")
        status, body = craig.call("GET", "/portfolio/balance")
        assert (status, body["error"]["details"]) == (401, "NOT_FOUND")
        assert len(venue.exchange.state.accounts["craig"].resting) == 1


class TestResults:
    def test_a_result_can_be_disputed_and_amended_before_the_payment(self, venue: Venue, craig: Client) -> None:
        socket = craig.socket()
        socket.subscribe("market_lifecycle_v2")
        craig.place("bid", "0.6000", "10.00")
        before = craig.cash()
        venue.exchange.determine(TICKER, "yes")
        venue.exchange.dispute(TICKER)
        assert craig.get(f"/markets/{TICKER}")["market"]["status"] == "disputed"
        venue.exchange.determine(TICKER, "no")
        market = craig.get(f"/markets/{TICKER}")["market"]
        assert (market["status"], market["result"]) == ("amended", "no")
        assert craig.cash() == before
        venue.exchange.settle(TICKER)
        assert craig.cash() == before
        events = [(f["msg"]["event_type"], f["msg"].get("result")) for f in socket.take("market_lifecycle_v2")]
        assert events == [("determined", "yes"), ("determined", "no"), ("settled", None)]
        assert venue.conserved()

    def test_after_the_payment_nothing_changes_it(self, venue: Venue) -> None:
        venue.exchange.determine(TICKER, "yes")
        venue.exchange.settle(TICKER)
        with pytest.raises(ValueError, match="settled"):
            venue.exchange.determine(TICKER, "no")
        with pytest.raises(ValueError, match="not determined"):
            venue.exchange.dispute(TICKER)

    def test_a_voided_market_gives_back_its_last_price(self, venue: Venue, craig: Client) -> None:
        craig.place("bid", "0.6000", "10.00")
        before = float(craig.cash())
        venue.exchange.void(TICKER)
        venue.exchange.settle(TICKER)
        [row] = craig.get("/portfolio/settlements")["settlements"]
        assert (row["market_result"], row["value"]) == ("void", 60)
        assert float(craig.cash()) == pytest.approx(before + 6.0)
        assert venue.conserved()
