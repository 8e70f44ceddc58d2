"""Pauses, halts, close, settlement, read lag and order groups."""

from __future__ import annotations

from typing import Any

import pytest

from apps.engine.types import Side
from apps.simulation.exchange.clock import parse_rfc3339

from .venue import DAY_US, ORDERS, START_US, TICKER, Client, Venue, add_market, make_venue


@pytest.fixture
def venue() -> Venue:
    return make_venue()


@pytest.fixture
def craig(venue: Venue) -> Client:
    return venue.clients["craig"]


def code(answer: tuple[int, Any]) -> tuple[int, str]:
    return answer[0], answer[1]["error"]["code"]


def cancel(craig: Client, order_id: str) -> tuple[int, Any]:
    return craig.call("DELETE", f"{ORDERS}/{order_id}")


class TestPauses:
    def test_trading_pause_refuses_orders_and_lets_cancels_through(self, venue: Venue, craig: Client) -> None:
        staying, leaving = craig.place(), craig.place(cancel_order_on_pause=True)
        venue.exchange.pause_trading()
        assert code(craig.create()) == (409, "trading_is_paused")
        body = {"ticker": TICKER, "side": "bid", "price": "0.4000", "count": "1.00"}
        assert code(craig.call("POST", f"{ORDERS}/{staying}/amend", body)) == (409, "trading_is_paused")
        assert craig.order(leaving)["status"] == "canceled"
        assert craig.get("/exchange/status")["trading_active"] is False
        assert cancel(craig, staying)[0] == 200
        venue.exchange.resume()
        assert craig.create()[0] == 201

    def test_exchange_pause_refuses_cancels_too(self, venue: Venue, craig: Client) -> None:
        order_id = craig.place()
        venue.exchange.pause_exchange()
        assert code(craig.create()) == (409, "exchange_is_paused")
        assert code(cancel(craig, order_id)) == (409, "exchange_is_paused")
        assert code(craig.call("DELETE", ORDERS)) == (409, "exchange_is_paused")
        assert craig.order(order_id)["status"] == "resting"

    def test_halt_of_one_market_ends_with_everything_canceled(self, venue: Venue, craig: Client) -> None:
        add_market(venue.exchange, "KXOTHER-1-T1")
        order_id, gone = craig.place(), craig.place(price="0.4100")
        venue.exchange.halt(TICKER)
        assert venue.public(f"/markets/{TICKER}")[1]["market"]["status"] == "inactive"
        assert code(craig.create()) == (409, "trading_is_paused")
        assert craig.create(ticker="KXOTHER-1-T1")[0] == 201
        assert cancel(craig, gone)[0] == 200
        venue.exchange.reopen(TICKER)
        assert craig.order(order_id)["status"] == "canceled"
        assert craig.create()[0] == 201


class TestCloseAndSettlement:
    def test_closing_time_cancels_and_refuses_even_cancels(self, venue: Venue, craig: Client) -> None:
        order_id = craig.place()
        venue.clock.advance(DAY_US / 1_000_000)
        assert venue.public(f"/markets/{TICKER}")[1]["market"]["status"] == "closed"
        assert code(craig.create()) == (409, "market_closed")
        assert craig.order(order_id)["status"] == "canceled"
        open_market = add_market(venue.exchange, "KXOTHER-1-T1")
        other = craig.place(ticker=open_market.ticker)
        venue.exchange.close(open_market.ticker)
        assert cancel(craig, other)[0] == 404

    def test_market_opens_by_itself(self, venue: Venue, craig: Client) -> None:
        venue.market.status = type(venue.market.status).INITIALIZED
        venue.market.open_us = START_US + 5_000_000
        venue.exchange.state.due_us = 0
        assert code(craig.create()) == (409, "market_inactive")
        venue.clock.advance(5)
        assert craig.create()[0] == 201

    @pytest.mark.parametrize(
        ("result", "side", "cash", "revenue"),
        [
            ("yes", "bid", "1003.8320", 1000),
            ("no", "bid", "993.8320", 0),
            ("no", "ask", "1003.8320", 1000),
            ("yes", "ask", "993.8320", 0),
        ],
    )
    def test_winner_gets_a_dollar_at_settlement_not_before(
        self, venue: Venue, craig: Client, result: str, side: str, cash: str, revenue: int
    ) -> None:
        price = "0.6000" if side == "bid" else "0.4000"
        craig.place(side, price=price, count="10.00", time_in_force="immediate_or_cancel")
        venue.exchange.determine(TICKER, result)
        assert craig.cash() == "993.8320"
        venue.exchange.settle(TICKER)
        assert craig.cash() == cash
        [row] = craig.get("/portfolio/settlements")["settlements"]
        held = ("yes_count_fp", "no_count_fp") if side == "bid" else ("no_count_fp", "yes_count_fp")
        assert (row["market_result"], row["revenue"], row["fee_cost"]) == (result, revenue, "0.000000")
        assert [row[k] for k in held] == ["10.00", "0.00"]
        assert venue.public(f"/markets/{TICKER}")[1]["market"]["status"] == "finalized"
        assert craig.get("/portfolio/positions")["market_positions"] == []
        [settled] = craig.get("/portfolio/positions?settlement_status=settled")["market_positions"]
        assert settled["position_fp"] == "0.00"
        assert venue.conserved()

    def test_scalar_settlement_is_cut_to_the_cent_and_the_rest_is_a_fee(self, venue: Venue, craig: Client) -> None:
        craig.place(price="0.6000", count="0.50", time_in_force="immediate_or_cancel")
        venue.exchange.determine(TICKER, "scalar", 3333)
        venue.exchange.settle(TICKER)
        [row] = craig.get("/portfolio/settlements")["settlements"]
        assert (row["revenue"], row["fee_cost"], row["value"]) == (16, "0.006650", 33)
        assert venue.conserved()

    def test_settling_needs_a_result(self, venue: Venue) -> None:
        with pytest.raises(ValueError, match="not determined"):
            venue.exchange.settle(TICKER)
        with pytest.raises(ValueError, match="needs a value"):
            venue.exchange.determine(TICKER, "scalar")


class TestReadLag:
    def test_reads_show_the_state_of_a_while_ago(self) -> None:
        venue = make_venue(read_lag_us=400_000)
        craig = venue.clients["craig"]
        order_id = craig.place(price="0.6000", count="10.00")
        assert craig.get("/portfolio/orders")["orders"] == []
        assert craig.cash() == "1000.0000"
        venue.clock.advance(0.4)
        assert craig.order(order_id)["status"] == "executed"
        assert craig.cash() == "993.8320"
        assert len(craig.get("/portfolio/fills")["fills"]) == 1
        as_of = parse_rfc3339(craig.get("/exchange/user_data_timestamp")["as_of_time"])
        assert as_of == venue.clock.now_us() - 400_000


class TestGroups:
    def create(self, craig: Client, limit: int = 10) -> str:
        status, body = craig.call("POST", "/portfolio/order_groups/create", {"contracts_limit": limit})
        assert status == 201
        return str(body["order_group_id"])

    def group(self, craig: Client, group_id: str) -> Any:
        return craig.get(f"/portfolio/order_groups/{group_id}")

    def test_lists_its_resting_orders(self, craig: Client) -> None:
        group_id = self.create(craig)
        order_id = craig.place(order_group_id=group_id)
        assert self.group(craig, group_id)["orders"] == [order_id]
        assert craig.order(order_id)["order_group_id"] == group_id
        cancel(craig, order_id)
        assert self.group(craig, group_id)["orders"] == []

    def test_exceeding_the_limit_cancels_the_rest_and_blocks(self, venue: Venue, craig: Client) -> None:
        group_id = self.create(craig, 10)
        first = craig.place(price="0.4200", count="10.00", order_group_id=group_id)
        second = craig.place(price="0.4100", count="10.00", order_group_id=group_id)
        venue.crowd_takes(Side.ASK, 4200, 1_000)
        assert craig.order(first)["status"] == "executed"
        assert craig.order(second)["status"] == "resting"
        venue.crowd_takes(Side.ASK, 4100, 1)
        assert craig.order(second)["status"] == "canceled"
        assert code(craig.create(order_group_id=group_id)) == (409, "exceeded_order_group_risk_limit")
        craig.call("PUT", f"/portfolio/order_groups/{group_id}/reset")
        assert craig.create(order_group_id=group_id)[0] == 201

    def test_window_rolls_over_fifteen_seconds(self, venue: Venue, craig: Client) -> None:
        group_id = self.create(craig, 10)
        order_id = craig.place(price="0.4100", count="30.00", order_group_id=group_id)
        for _ in range(3):
            venue.crowd_takes(Side.ASK, 4100, 900)
            venue.clock.advance(15)
        assert craig.order(order_id)["fill_count_fp"] == "27.00"
        assert craig.order(order_id)["status"] == "resting"

    def test_taker_that_exceeds_does_not_rest(self, venue: Venue, craig: Client) -> None:
        group_id = self.create(craig, 10)
        _, ack = craig.create(price="0.6000", count="120.00", order_group_id=group_id)
        assert (ack["fill_count"], ack["remaining_count"]) == ("100.00", "0.00")
        assert venue.shown(Side.BID)[0] == (4000, 10_000)

    def test_lower_limit_triggers_at_once(self, venue: Venue, craig: Client) -> None:
        group_id = self.create(craig, 10)
        order_id = craig.place(price="0.4100", count="30.00", order_group_id=group_id)
        venue.crowd_takes(Side.ASK, 4100, 800)
        status, _ = craig.call("PUT", f"/portfolio/order_groups/{group_id}/limit", {"contracts_limit_fp": "7.00"})
        assert status == 200
        assert craig.order(order_id)["status"] == "canceled"

    def test_trigger_and_delete_cancel(self, craig: Client) -> None:
        for method, path in (("PUT", "/trigger"), ("DELETE", "")):
            group_id = self.create(craig)
            order_id = craig.place(order_group_id=group_id)
            assert craig.call(method, f"/portfolio/order_groups/{group_id}{path}") == (200, {})
            assert craig.order(order_id)["status"] == "canceled"
        assert craig.call("GET", f"/portfolio/order_groups/{group_id}")[0] == 404
        assert len(craig.get("/portfolio/order_groups")["order_groups"]) == 1

    def test_foreign_groups_do_not_exist(self, venue: Venue, craig: Client) -> None:
        group_id = self.create(craig)
        cliff = venue.clients["cliff"]
        assert cliff.call("PUT", f"/portfolio/order_groups/{group_id}/trigger")[0] == 404
        assert code(cliff.create(order_group_id=group_id)) == (404, "order_group_not_found")

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"contracts_limit": 0},
            {"contracts_limit": 1_000_001},
            {"contracts_limit": 5, "contracts_limit_fp": "6.00"},
            {"contracts_limit_fp": "1.50"},
            {"contracts_limit_fp": "many"},
            {"contracts_limit": "10"},
        ],
    )
    def test_bad_limits_are_refused(self, craig: Client, body: dict[str, Any]) -> None:
        assert craig.call("POST", "/portfolio/order_groups/create", body)[0] == 400


def test_resting_order_value_counts_the_leg_bought(craig: Client) -> None:
    craig.place(price="0.3000", count="10.00")
    craig.place("ask", price="0.9000", count="10.00")
    assert craig.get("/portfolio/summary/total_resting_order_value")["total_resting_order_value"] == 400


def test_candles_hold_trades_and_quotes(venue: Venue, craig: Client) -> None:
    venue.crowd_takes(Side.BID, 6000, 1_000)
    venue.clock.advance(60)
    venue.crowd_takes(Side.ASK, 4000, 3_000)
    now_s = venue.clock.now_us() // 1_000_000
    window = f"start_ts={now_s - 300}&end_ts={now_s}"
    base = f"/series/KXTEST/markets/{TICKER}/candlesticks?{window}"
    minutes = venue.public(f"{base}&period_interval=1")[1]["candlesticks"]
    assert [c["volume_fp"] for c in minutes] == ["10.00", "30.00"]
    assert minutes[1]["price"]["previous_dollars"] == "0.6000"
    [hour] = venue.public(f"{base}&period_interval=60")[1]["candlesticks"]
    assert (hour["price"]["open_dollars"], hour["price"]["close_dollars"]) == ("0.6000", "0.4000")
    assert (hour["price"]["mean_dollars"], hour["volume_fp"]) == ("0.4500", "40.00")
    late = f"start_ts={now_s + 120}&end_ts={now_s + 300}&period_interval=1&include_latest_before_start=true"
    [before] = venue.public(f"/series/KXTEST/markets/{TICKER}/candlesticks?{late}")[1]["candlesticks"]
    assert (before["price"]["open_dollars"], before["price"]["previous_dollars"]) == (None, "0.4000")
    assert venue.public(f"{base}&period_interval=7")[0] == 400
