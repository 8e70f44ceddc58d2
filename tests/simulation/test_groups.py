"""Order groups, the exchange's own brake: rolling window, trigger, limit, reset, deletion, what they say, shards."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from .venue import DAY_US, ORDERS, START_US, TICKER, Client, Socket, Venue, add_market, make_venue

GROUPS = "/portfolio/order_groups"
SHARD_2 = "KXSHARD-26DEC31-T1"


@pytest.fixture
def venue() -> Venue:
    venue = make_venue()
    add_market(venue.exchange, SHARD_2, exchange_index=2)
    return venue


@pytest.fixture
def craig(venue: Venue) -> Client:
    return venue.clients["craig"]


def create(craig: Client, limit: int = 10, **extra: Any) -> str:
    status, body = craig.call("POST", f"{GROUPS}/create", {"contracts_limit": limit} | extra)
    assert status == 201
    return str(body["order_group_id"])


def put(craig: Client, group_id: str, what: str, body: Any = None) -> None:
    assert craig.call("PUT", f"{GROUPS}/{group_id}/{what}", body) == (200, {})


def is_triggered(craig: Client, group_id: str) -> bool:
    return bool(craig.get(f"{GROUPS}/{group_id}")["is_auto_cancel_enabled"])


def take(craig: Client, group_id: str, count: str) -> None:
    """Buy from the crowd at once, as an order of the group."""
    craig.place("bid", "0.6000", count, time_in_force="immediate_or_cancel", order_group_id=group_id)


def code(reply: tuple[int, Any]) -> tuple[int, str]:
    return reply[0], reply[1]["error"]["code"]


def test_exactly_the_limit_does_not_trigger_and_a_hundredth_more_does(craig: Client) -> None:
    group = create(craig, 10)
    resting = craig.place(order_group_id=group)
    take(craig, group, "10.00")
    assert not is_triggered(craig, group)
    take(craig, group, "0.01")
    assert is_triggered(craig, group)
    assert craig.order(resting)["status"] == "canceled"


def test_the_window_rolls_fifteen_seconds(venue: Venue, craig: Client) -> None:
    group = create(craig, 10)
    take(craig, group, "6.00")
    venue.clock.advance(14.9)
    take(craig, group, "4.00")
    assert not is_triggered(craig, group)
    # The first six leave the window, the four stay: six more make ten, not sixteen.
    venue.clock.advance(0.1)
    take(craig, group, "6.00")
    assert not is_triggered(craig, group)
    take(craig, group, "0.01")
    assert is_triggered(craig, group)


def test_a_lower_limit_triggers_at_once_when_it_is_exceeded_already(craig: Client) -> None:
    group = create(craig, 100)
    resting = craig.place(order_group_id=group)
    take(craig, group, "6.00")
    put(craig, group, "limit", {"contracts_limit": 6})
    assert not is_triggered(craig, group)
    put(craig, group, "limit", {"contracts_limit_fp": "5.00"})
    assert is_triggered(craig, group)
    assert craig.order(resting)["status"] == "canceled"
    assert craig.get(f"{GROUPS}/{group}")["contracts_limit_fp"] == "5.00"


def test_a_triggered_group_refuses_until_its_reset_which_clears_the_count(craig: Client) -> None:
    group = create(craig, 5)
    take(craig, group, "5.00")
    put(craig, group, "trigger")
    assert code(craig.create(order_group_id=group)) == (409, "exceeded_order_group_risk_limit")
    put(craig, group, "trigger")
    put(craig, group, "reset")
    take(craig, group, "5.00")
    assert not is_triggered(craig, group)


def test_an_order_that_exceeds_the_limit_itself_does_not_rest(craig: Client) -> None:
    group = create(craig, 50)
    order_id = craig.place("bid", "0.6000", "120.00", order_group_id=group)
    order = craig.order(order_id)
    assert (order["status"], order["fill_count_fp"], order["remaining_count_fp"]) == ("canceled", "100.00", "0.00")


def test_a_trigger_spares_orders_of_other_groups_and_of_none(craig: Client) -> None:
    one, other = create(craig), create(craig)
    spared = [craig.place(), craig.place(order_group_id=other)]
    gone = craig.place(order_group_id=one)
    put(craig, one, "trigger")
    assert craig.order(gone)["status"] == "canceled"
    assert [craig.order(o)["status"] for o in spared] == ["resting", "resting"]


def test_deleting_cancels_its_orders_and_the_id_is_gone(craig: Client) -> None:
    group = create(craig)
    order_id = craig.place(order_group_id=group)
    assert craig.call("DELETE", f"{GROUPS}/{group}") == (200, {})
    assert craig.order(order_id)["status"] == "canceled"
    assert craig.call("GET", f"{GROUPS}/{group}")[0] == 404
    assert code(craig.create(order_group_id=group)) == (404, "order_group_not_found")


def test_an_exchange_pause_lets_no_group_cancel_and_a_trading_pause_does(venue: Venue, craig: Client) -> None:
    group = create(craig)
    order_id = craig.place(order_group_id=group)
    venue.exchange.pause_exchange()
    paused = (409, "exchange_is_paused")
    assert code(craig.call("PUT", f"{GROUPS}/{group}/trigger")) == paused
    assert code(craig.call("PUT", f"{GROUPS}/{group}/limit", {"contracts_limit": 1})) == paused
    assert code(craig.call("DELETE", f"{GROUPS}/{group}")) == paused
    assert craig.order(order_id)["status"] == "resting"
    venue.exchange.resume()
    venue.exchange.pause_trading()
    put(craig, group, "trigger")
    assert craig.order(order_id)["status"] == "canceled"


def test_nobody_elses_group_is_found(venue: Venue, craig: Client) -> None:
    group, cliff = create(craig), venue.clients["cliff"]
    assert cliff.call("PUT", f"{GROUPS}/{group}/trigger")[0] == 404
    assert cliff.get(GROUPS)["order_groups"] == []
    assert code(cliff.create(order_group_id=group)) == (404, "order_group_not_found")


def test_the_socket_tells_every_step(craig: Client) -> None:
    socket: Socket = craig.socket()
    socket.subscribe("order_group_updates")
    group = create(craig, 10)
    put(craig, group, "limit", {"contracts_limit": 5})
    put(craig, group, "trigger")
    put(craig, group, "reset")
    craig.call("DELETE", f"{GROUPS}/{group}")
    frames = socket.take("order_group_updates")
    assert [f["msg"]["event_type"] for f in frames] == ["created", "limit_updated", "triggered", "reset", "deleted"]
    assert [f["seq"] for f in frames] == [1, 2, 3, 4, 5]
    assert [f["msg"].get("contracts_limit_fp") for f in frames] == ["10.00", "5.00", None, None, None]
    assert {f["msg"]["order_group_id"] for f in frames} == {group}


def test_a_group_holds_orders_of_its_own_shard_only(craig: Client) -> None:
    here, there = create(craig), create(craig, exchange_index=2)
    assert [g["exchange_index"] for g in craig.get(GROUPS)["order_groups"]] == [0, 2]
    assert code(craig.create(ticker=SHARD_2, order_group_id=here)) == (404, "order_group_not_found")
    assert code(craig.create(order_group_id=there)) == (404, "order_group_not_found")
    order_id = craig.place(ticker=SHARD_2, order_group_id=there)
    put(craig, there, "trigger")
    assert craig.order(order_id)["status"] == "canceled"
    assert craig.call("POST", f"{GROUPS}/create", {"contracts_limit": 1, "exchange_index": 4})[0] == 400


@pytest.mark.parametrize(
    "body", [{}, {"contracts_limit": 0}, {"contracts_limit": 1_000_001}, {"contracts_limit_fp": "1.50"}]
)
def test_a_limit_is_a_whole_number_up_to_a_million(craig: Client, body: dict[str, Any]) -> None:
    assert craig.call("POST", f"{GROUPS}/create", body)[0] == 400


class TestShards:
    """Where an order is found, and whose bucket pays for it."""

    @pytest.fixture
    def venue(self) -> Venue:
        venue = make_venue(tier="basic", burst_seconds=1)
        add_market(venue.exchange, SHARD_2, exchange_index=2)
        return venue

    def test_everything_says_the_markets_shard(self, craig: Client) -> None:
        socket = craig.socket()
        socket.subscribe("user_orders")
        order_id = craig.place(ticker=SHARD_2)
        assert craig.order(order_id)["exchange_index"] == 2
        assert socket.take("user_order")[0]["msg"]["exchange_index"] == 2
        assert craig.get(f"/markets/{SHARD_2}")["market"]["exchange_index"] == 2
        statuses = craig.get("/exchange/status")["exchange_index_statuses"]
        assert [s["exchange_index"] for s in statuses] == [0, 2]

    def test_a_cancel_by_id_alone_looks_on_shard_0(self, craig: Client) -> None:
        order_id = craig.place(ticker=SHARD_2)
        assert craig.call("DELETE", f"{ORDERS}/{order_id}")[0] == 404
        assert craig.call("DELETE", f"{ORDERS}/{order_id}?exchange_index=1")[0] == 404
        assert craig.call("DELETE", f"{ORDERS}/{order_id}?market_ticker={SHARD_2}")[0] == 200
        order_id = craig.place(ticker=SHARD_2)
        assert craig.call("DELETE", f"{ORDERS}/{order_id}?exchange_index=2")[0] == 200

    def test_batch_cancels_and_decreases_look_there_too(self, craig: Client) -> None:
        order_id = craig.place(ticker=SHARD_2)
        assert craig.call("POST", f"{ORDERS}/{order_id}/decrease", {"reduce_to": "1.00"})[0] == 404
        wanted = {"reduce_to": "1.00", "market_ticker": SHARD_2}
        assert craig.call("POST", f"{ORDERS}/{order_id}/decrease", wanted)[0] == 200
        item: dict[str, Any] = {"order_id": order_id}
        _, bare = craig.call("DELETE", f"{ORDERS}/batched", {"orders": [item]})
        assert bare["orders"][0]["error"]["code"] == "not_found"
        _, named = craig.call("DELETE", f"{ORDERS}/batched", {"orders": [item | {"exchange_index": 2}]})
        assert named["orders"][0]["reduced_by"] == "1.00"

    def test_a_create_for_the_wrong_shard_finds_no_market(self, craig: Client) -> None:
        assert craig.create(exchange_index=2)[0] == 404
        assert craig.create(exchange_index=-1)[0] == 201
        assert craig.create(ticker=SHARD_2, exchange_index=2)[0] == 201

    def test_a_write_that_names_a_shard_is_billed_to_that_shards_bucket(self, venue: Venue, craig: Client) -> None:
        first = craig.place(ticker=SHARD_2, exchange_index=2)
        venue.exchange.drain("craig")
        assert craig.create()[0] == 429
        assert craig.call("DELETE", f"{ORDERS}/{first}?exchange_index=2")[0] == 429
        venue.clock.advance(1.0)
        for _ in range(10):
            craig.place(ticker=SHARD_2, exchange_index=2, count="1.00")
        assert craig.create(ticker=SHARD_2, exchange_index=2)[0] == 429
        # The account's own bucket is still full, and it pays for what names no shard.
        for _ in range(10):
            craig.place(ticker=SHARD_2, count="1.00")
        assert craig.create()[0] == 429
        meter = venue.exchange.state.accounts["craig"].meter
        assert meter.refused == {"write": 2, "write:2": 2}

    def test_batches_bill_the_accounts_bucket(self, venue: Venue, craig: Client) -> None:
        orders = [craig.body(ticker=SHARD_2, exchange_index=2) for _ in range(10)]
        assert craig.call("POST", f"{ORDERS}/batched", {"orders": orders})[0] == 201
        assert venue.exchange.state.accounts["craig"].shard_buckets == {}
        assert craig.create()[0] == 429


def test_only_the_expiry_keeps_the_place_and_a_new_price_loses_it(venue: Venue, craig: Client) -> None:
    cliff = venue.clients["cliff"]
    mine = craig.place(price="0.4100", count="5.00", expiration_time=START_US // 1_000_000 + 55)
    cliff.place(price="0.4100", count="5.00")

    def amend(price: str, count: str = "5.00", **extra: Any) -> str:
        body = {"ticker": TICKER, "side": "bid", "price": price, "count": count} | extra
        status, _ = craig.call("POST", f"{ORDERS}/{mine}/amend", body)
        assert status == 200
        return str(craig.get(f"/portfolio/orders/{mine}/queue_position")["queue_position_fp"])

    later = START_US // 1_000_000 + 85
    assert amend("0.4100", expiration_time=later) == "0.00"
    assert amend("0.4100", "4.00") == "0.00"
    venue.clock.advance(60)
    assert craig.order(mine)["status"] == "resting"
    assert amend("0.4100", "5.00") == "5.00"
    assert amend("0.4200") == "0.00"
    assert amend("0.4100") == "5.00"
    venue.clock.advance(26)
    assert craig.order(mine)["status"] == "canceled"


def test_a_brute_force_count_agrees_with_the_cash_orders_bind() -> None:
    venue = make_venue(cash=10**12)
    craig = venue.clients["craig"]
    tickers = [f"KXBOUND-26DEC31-T{i}" for i in range(3)]
    for ticker in tickers:
        add_market(venue.exchange, ticker, close_us=START_US + DAY_US)
    account = venue.exchange.state.accounts["craig"]
    rng = Random(3)
    resting: list[str] = []
    for _ in range(200):
        act = rng.random()
        if act < 0.6 or not resting:
            side, cents = rng.choice(("bid", "ask")), rng.randint(1, 99)
            _, reply = craig.create(side, f"0.{cents:02d}00", "3.00", ticker=rng.choice([*tickers, TICKER]))
            resting += [reply["order_id"]] if "order_id" in reply else []
        elif act < 0.8:
            craig.call("DELETE", f"{ORDERS}/{resting.pop(rng.randrange(len(resting)))}")
        else:
            craig.call("POST", f"{ORDERS}/{rng.choice(resting)}/decrease", {"reduce_by": "0.50"})
        fresh = type(account.resting)()
        for order in account.resting.values():
            fresh.add(order)
        assert {o.status for o in account.resting.values()} <= {"resting"}
        assert account.bound() == fresh.bound(account.held)
        for order in account.resting.values():
            others = type(account.resting)()
            for o in account.resting.values():
                if o is not order:
                    others.add(o)
            assert account.bound(without=order) == others.bound(account.held)
            break
    assert venue.conserved()
