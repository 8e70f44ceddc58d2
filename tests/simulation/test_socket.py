"""WebSocket commands, sequence numbers, and what each channel says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps.engine.types import Side
from apps.gateway.kalshi.messages import Decoder

from .venue import ORDERS, START_US, TICKER, Client, Socket, Venue, add_market, make_venue

OTHER = "KXOTHER-1-T1"


@pytest.fixture
def venue() -> Venue:
    made = make_venue()
    add_market(made.exchange, OTHER)
    return made


@pytest.fixture
def craig(venue: Venue) -> Client:
    return venue.clients["craig"]


@pytest.fixture
def socket(craig: Client) -> Socket:
    return craig.socket()


def kinds(frames: list[dict[str, Any]]) -> list[str]:
    return [f["type"] for f in frames]


def error(frames: list[dict[str, Any]]) -> int:
    [frame] = frames
    assert frame["type"] == "error"
    return int(frame["msg"]["code"])


class TestBook:
    def test_snapshot_then_deltas_in_both_price_conventions(self, venue: Venue, craig: Client) -> None:
        books = {}
        for use_yes_price in (False, True):
            socket = craig.socket()
            first = socket.subscribe("orderbook_delta", market_tickers=[TICKER], use_yes_price=use_yes_price)
            assert kinds(first) == ["subscribed", "orderbook_snapshot"]
            assert first[0]["msg"] == {"channel": "orderbook_delta", "sid": 1}
            books[use_yes_price] = (first[1]["msg"], socket)
        venue.level(Side.ASK, 6000, -2_500)
        for use_yes_price, price in ((False, "0.4000"), (True, "0.6000")):
            snapshot, socket = books[use_yes_price]
            assert snapshot["no_dollars_fp"][-1] == [price, "100.00"]
            assert snapshot["yes_dollars_fp"][-1] == ["0.4000", "100.00"]
            [delta] = socket.take()
            msg = delta["msg"]
            assert (msg["side"], msg["price_dollars"], msg["delta_fp"]) == ("no", price, "-25.00")
            assert (delta["seq"], msg["ts_ms"]) == (2, START_US // 1000)

    def test_empty_side_has_no_key(self, venue: Venue, socket: Socket) -> None:
        frames = socket.subscribe("orderbook_delta", market_ticker=OTHER)
        assert frames[1]["msg"].keys() == {"market_ticker", "market_id"}

    def test_deltas_rebuild_the_book_with_our_orders_in_it(self, venue: Venue, craig: Client, socket: Socket) -> None:
        [_, snapshot] = socket.subscribe("orderbook_delta", market_ticker=TICKER, use_yes_price=True)
        book = {(s, p): round(float(q) * 100) for s in ("yes", "no") for p, q in snapshot["msg"][f"{s}_dollars_fp"]}
        order_id = craig.place(price="0.4100", count="10.00")
        craig.place(price="0.6000", count="30.00", time_in_force="immediate_or_cancel")
        venue.crowd_takes(Side.ASK, 4000, 2_000)
        craig.call("DELETE", f"{ORDERS}/{order_id}")
        for frame in socket.take("orderbook_delta"):
            msg = frame["msg"]
            key = msg["side"], msg["price_dollars"]
            book[key] = book.get(key, 0) + round(float(msg["delta_fp"]) * 100)
        rebuilt = {k: q for k, q in book.items() if q}
        shown = {("yes", f"{p / 10_000:.4f}"): q for p, q in venue.shown(Side.BID)}
        assert rebuilt == shown | {("no", f"{p / 10_000:.4f}"): q for p, q in venue.shown(Side.ASK)}

    def test_only_the_owner_sees_the_client_order_id(self, venue: Venue, craig: Client) -> None:
        mine, theirs = craig.socket(), venue.clients["cliff"].socket()
        for s in (mine, theirs):
            s.subscribe("orderbook_delta", market_ticker=TICKER)
        order_id = craig.place(price="0.4100", count="10.00", client_order_id="secret")
        venue.crowd_takes(Side.ASK, 4100, 400)
        craig.call("DELETE", f"{ORDERS}/{order_id}")
        own, foreign = mine.take(), theirs.take()
        assert [f["msg"].get("client_order_id") for f in own] == ["secret"] * 3
        assert [f["msg"]["delta_fp"] for f in foreign] == ["10.00", "-4.00", "-6.00"]
        assert "secret" not in json.dumps(foreign)
        assert not any("subaccount" in f["msg"] for f in foreign)

    def test_get_snapshot_answers_on_the_same_sid_with_the_command_id(self, socket: Socket) -> None:
        socket.subscribe("orderbook_delta", market_ticker=TICKER)
        [frame] = socket.say("update_subscription", sids=[1], action="get_snapshot", market_tickers=[TICKER])
        assert (frame["type"], frame["sid"], frame["seq"], frame["id"]) == ("orderbook_snapshot", 1, 2, 2)


class TestSubscriptions:
    def test_one_answer_per_channel_with_the_same_id(self, socket: Socket) -> None:
        frames = socket.subscribe("ticker", "trade", "fill")
        assert [(f["id"], f["msg"]["channel"], f["msg"]["sid"]) for f in frames] == [
            (1, "ticker", 1),
            (1, "trade", 2),
            (1, "fill", 3),
        ]

    def test_repeated_subscribe_merges_into_the_sid_and_consumes_seq(self, socket: Socket) -> None:
        socket.subscribe("orderbook_delta", market_ticker=TICKER)
        ok, snapshot = socket.subscribe("orderbook_delta", market_tickers=[TICKER, OTHER])
        assert (ok["type"], ok["sid"], ok["seq"], ok["id"]) == ("ok", 1, 2, 2)
        assert ok["msg"]["market_tickers"] == [TICKER, OTHER]
        assert (snapshot["msg"]["market_ticker"], snapshot["seq"]) == (OTHER, 3)

    def test_markets_come_and_go(self, venue: Venue, socket: Socket) -> None:
        socket.subscribe("orderbook_delta", market_ticker=OTHER)
        ok, snapshot = socket.say("update_subscription", sid=1, action="add_markets", market_ticker=TICKER)
        assert (ok["msg"]["market_tickers"], snapshot["seq"]) == ([OTHER, TICKER], 3)
        [ok] = socket.say("update_subscription", sid=1, action="delete_markets", market_ticker=TICKER)
        assert (ok["msg"]["market_tickers"], ok["seq"]) == ([OTHER], 4)
        venue.level(Side.BID, 4000, 100)
        assert socket.take() == []

    def test_acks_can_leave_out_the_tickers(self, socket: Socket) -> None:
        socket.subscribe("ticker", market_ticker=TICKER, skip_ticker_ack=True)
        [ok] = socket.subscribe("ticker", market_ticker=OTHER)
        assert "msg" not in ok

    def test_list_has_an_array_and_unsubscribe_answers_per_sid(self, venue: Venue, socket: Socket) -> None:
        socket.subscribe("orderbook_delta", "fill", market_ticker=TICKER)
        [listed] = socket.say("list_subscriptions")
        assert listed["msg"] == [{"channel": "orderbook_delta", "sid": 1}, {"channel": "fill", "sid": 2}]
        first, second, third = socket.say("unsubscribe", sids=[1, 2, 9])
        assert (first["type"], first["sid"], first["seq"]) == ("unsubscribed", 1, 2)
        assert (second["sid"], "seq" in second) == (2, False)
        assert third["msg"]["code"] == 7
        venue.level(Side.BID, 4000, 100)
        assert socket.take() == []

    def test_ticker_by_market_id_with_an_initial_snapshot(self, venue: Venue, socket: Socket) -> None:
        frames = socket.subscribe("ticker", market_ids=[venue.market.market_id], send_initial_snapshot=True)
        assert kinds(frames) == ["subscribed", "ticker"]
        assert frames[1]["msg"]["yes_bid_dollars"] == "0.4000"

    @pytest.mark.parametrize(
        ("cmd", "params", "code"),
        [
            ("subscribe", {}, 3),
            ("subscribe", {"channels": []}, 3),
            ("subscribe", {"channels": ["orderbook"]}, 8),
            ("subscribe", {"channels": ["orderbook_delta"]}, 14),
            ("subscribe", {"channels": ["ticker"], "market_tickers": TICKER}, 11),
            ("subscribe", {"channels": ["ticker"], "market_tickers": [5]}, 11),
            ("subscribe", {"channels": ["ticker"], "market_ticker": ""}, 11),
            ("subscribe", {"channels": ["orderbook_delta"], "market_ticker": TICKER, "use_yes_price": "yes"}, 11),
            ("subscribe", {"channels": [7]}, 11),
            ("unsubscribe", {}, 4),
            ("unsubscribe", {"sids": [True]}, 7),
            ("update_subscription", {"action": "add_markets"}, 12),
            ("update_subscription", {"sids": [1, 2], "action": "add_markets"}, 12),
            ("update_subscription", {"sid": 99, "action": "add_markets", "market_ticker": TICKER}, 7),
            ("dance", {}, 5),
        ],
    )
    def test_bad_commands_are_answered_with_their_code(
        self, socket: Socket, cmd: str, params: dict[str, Any], code: int
    ) -> None:
        assert error(socket.say(cmd, **params)) == code
        assert socket.connection.subscriptions == {}

    @pytest.mark.parametrize(
        ("params", "code"),
        [
            ({"action": "explode", "market_ticker": TICKER}, 13),
            ({"action": "add_markets"}, 14),
            ({"action": "get_snapshot", "market_ticker": TICKER, "sid": 2}, 13),
        ],
    )
    def test_bad_updates_are_answered_with_their_code(self, socket: Socket, params: dict[str, Any], code: int) -> None:
        socket.subscribe("orderbook_delta", "trade", market_ticker=TICKER)
        assert error(socket.say("update_subscription", **({"sid": 1} | params))) == code

    @pytest.mark.parametrize(
        ("text", "code"),
        [
            (b"", 1),
            ("{", 1),
            ("[]", 1),
            ("7", 1),
            (b"\xff", 1),
            ("{}", 5),
            ('{"cmd":"subscribe"}', 2),
            ("[" * 10_000, 1),
        ],
    )
    def test_rubbish_is_answered_and_the_connection_lives(self, socket: Socket, text: str | bytes, code: int) -> None:
        assert error(socket.raw(text)) == code
        assert kinds(socket.subscribe("fill")) == ["subscribed"]


class TestPrivateChannels:
    def test_fill_order_and_position_of_a_maker(self, venue: Venue, craig: Client, socket: Socket) -> None:
        socket.subscribe("fill", "user_orders", "market_positions")
        order_id = craig.place(price="0.4100", count="10.00", client_order_id="c1")
        [resting] = socket.take()
        assert (resting["msg"]["status"], resting["msg"]["ticker"]) == ("resting", TICKER)
        assert "last_update_reason" not in resting["msg"]
        venue.crowd_takes(Side.ASK, 4100, 400)
        frames = {f["type"]: f["msg"] for f in socket.take()}
        fill = frames["fill"]
        assert (fill["order_id"], fill["client_order_id"], fill["post_position_fp"]) == (order_id, "c1", "4.00")
        assert (fill["is_taker"], fill["count_fp"], fill["fee_cost"]) == (False, "4.00", "0.000000")
        assert frames["user_order"]["last_update_reason"] == "Trade"
        assert frames["user_order"]["remaining_count_fp"] == "6.00"
        assert frames["market_position"]["position_cost_dollars"] == "1.640000"

    @pytest.mark.parametrize(
        ("act", "reason"),
        [
            ("amend", "Amend"),
            ("decrease", "Decrease"),
            ("expire", "ExpiryCancel"),
            ("close", "CloseCancel"),
            ("halt", "HaltCancel"),
            ("cancel", None),
        ],
    )
    def test_last_update_says_why(
        self, venue: Venue, craig: Client, socket: Socket, act: str, reason: str | None
    ) -> None:
        order_id = craig.place(expiration_time=START_US // 1_000_000 + 5)
        socket.subscribe("user_orders", market_tickers=[TICKER])
        path = f"{ORDERS}/{order_id}"
        if act == "amend":
            craig.call("POST", f"{path}/amend", {"ticker": TICKER, "side": "bid", "price": "0.4100", "count": "3.00"})
        elif act == "decrease":
            craig.call("POST", f"{path}/decrease", {"reduce_by": "1.00"})
        elif act == "expire":
            venue.clock.advance(6)
            venue.exchange.advance()
        elif act == "close":
            venue.exchange.close(TICKER)
        elif act == "halt":
            venue.exchange.halt(TICKER)
            venue.exchange.reopen(TICKER)
        else:
            craig.call("DELETE", path)
        [frame] = socket.take()
        assert frame["msg"].get("last_update_reason") == reason
        assert frame["msg"]["status"] == ("resting" if act in ("amend", "decrease") else "canceled")

    def test_nobody_hears_of_others(self, venue: Venue, craig: Client) -> None:
        other = venue.clients["cliff"].socket()
        other.subscribe("fill", "user_orders", "market_positions", "order_group_updates")
        craig.place(price="0.6000", count="1.00")
        craig.call("POST", "/portfolio/order_groups/create", {"contracts_limit": 5})
        assert other.take() == []

    def test_filter_by_market(self, craig: Client, socket: Socket) -> None:
        socket.subscribe("user_orders", market_tickers=[OTHER])
        craig.place()
        assert socket.take() == []

    def test_order_group_events(self, craig: Client, socket: Socket) -> None:
        socket.subscribe("order_group_updates")
        _, body = craig.call("POST", "/portfolio/order_groups/create", {"contracts_limit": 5})
        path = f"/portfolio/order_groups/{body['order_group_id']}"
        craig.call("PUT", f"{path}/limit", {"contracts_limit": 6})
        craig.call("PUT", f"{path}/trigger")
        craig.call("PUT", f"{path}/reset")
        craig.call("DELETE", path)
        frames = socket.take()
        assert [(f["seq"], f["msg"]["event_type"]) for f in frames] == [
            (1, "created"),
            (2, "limit_updated"),
            (3, "triggered"),
            (4, "reset"),
            (5, "deleted"),
        ]
        assert [f["msg"].get("contracts_limit_fp") for f in frames] == ["5.00", "6.00", None, None, None]


class TestPublicChannels:
    def test_trade_and_ticker(self, venue: Venue, socket: Socket) -> None:
        socket.subscribe("trade", "ticker", market_tickers=[TICKER])
        venue.crowd_takes(Side.BID, 6000, 1_000)
        frames = {f["type"]: f for f in socket.take()}
        trade = frames["trade"]
        assert trade["seq"] == 1
        assert (trade["msg"]["taker_book_side"], trade["msg"]["taker_outcome_side"]) == ("bid", "yes")
        assert (trade["msg"]["yes_price_dollars"], trade["msg"]["count_fp"]) == ("0.6000", "10.00")
        assert "seq" not in frames["ticker"]
        assert frames["ticker"]["msg"]["yes_ask_size_fp"] == "90.00"

    def test_quiet_book_changes_reach_the_ticker_when_flushed(self, venue: Venue, socket: Socket) -> None:
        socket.subscribe("ticker")
        venue.level(Side.BID, 4000, 100)
        assert socket.take() == []
        venue.app.hub.flush_tickers()
        venue.app.hub.flush_tickers()
        [frame] = [f for f in socket.take() if f["msg"]["market_ticker"] == TICKER]
        assert frame["msg"]["yes_bid_size_fp"] == "101.00"

    def test_lifecycle(self, venue: Venue, socket: Socket) -> None:
        socket.subscribe("market_lifecycle_v2")
        add_market(venue.exchange, "KXNEW-1-T1")
        venue.exchange.halt(TICKER)
        venue.exchange.reopen(TICKER)
        venue.exchange.close(TICKER)
        venue.exchange.determine(TICKER, "yes")
        venue.exchange.settle(TICKER)
        frames = socket.take()
        assert [f["seq"] for f in frames] == list(range(1, 7 + 1))[: len(frames)]
        assert kinds(frames)[:2] == ["event_lifecycle", "market_lifecycle_v2"]
        assert [f["msg"]["event_type"] for f in frames[1:]] == [
            "created",
            "deactivated",
            "activated",
            "determined",
            "settled",
        ]
        assert frames[4]["msg"]["settlement_value"] == "1.0000"


def test_every_message_tells_when_it_was_sent(venue: Venue, craig: Client, socket: Socket) -> None:
    socket.subscribe("orderbook_delta", "ticker", "trade", "fill", "user_orders", market_ticker=TICKER)
    craig.place(price="0.6000", count="1.00")
    socket.say("list_subscriptions")
    socket.say("unsubscribe", sids=[1, 99])
    assert {f["sending_ts_ms"] for f in socket.seen} == {START_US // 1000}


def test_sequence_has_no_gap_over_everything_a_sid_says(venue: Venue, craig: Client, socket: Socket) -> None:
    socket.subscribe("orderbook_delta", market_ticker=TICKER)
    for price in ("0.4100", "0.4200", "0.4300"):
        craig.place(price=price)
    socket.take()
    socket.say("update_subscription", sid=1, action="add_markets", market_ticker=OTHER)
    socket.say("update_subscription", sid=1, action="get_snapshot", market_tickers=[TICKER, OTHER])
    socket.say("unsubscribe", sids=[1])
    assert [f["seq"] for f in socket.seen if "seq" in f] == list(range(1, 10))


def test_gateway_reads_every_frame_without_an_unknown_field(venue: Venue, craig: Client, socket: Socket) -> None:
    decoder = Decoder(use_yes_price=False)
    socket.subscribe(
        "orderbook_delta", "ticker", "trade", "fill", "user_orders", "market_positions", market_ticker=TICKER
    )
    socket.subscribe("order_group_updates", "market_lifecycle_v2")
    craig.call("POST", "/portfolio/order_groups/create", {"contracts_limit": 5})
    craig.place(price="0.6000", count="1.00")
    craig.place(price="0.4100", count="5.00", expiration_time=START_US // 1_000_000 + 60)
    add_market(venue.exchange, "KXNEW-1-T1")
    venue.exchange.halt(TICKER)
    socket.say("list_subscriptions")
    socket.say("dance")
    socket.take()
    for frame in socket.seen:
        decoder.decode(json.dumps(frame))
    assert decoder.unknown_types == {}


def test_slow_reader_loses_its_subscriptions_with_error_25() -> None:
    venue = make_venue(max_pending_frames=50)
    craig = venue.clients["craig"]
    slow = craig.socket()
    slow._commands.run(json.dumps({"id": 1, "cmd": "subscribe", "params": {"channels": ["fill"]}}))
    params = {"channels": ["orderbook_delta"], "market_ticker": TICKER}
    slow._commands.run(json.dumps({"id": 2, "cmd": "subscribe", "params": params}))
    fast = venue.clients["cliff"].socket()
    fast.subscribe("orderbook_delta", market_ticker=TICKER)
    for i in range(100):
        venue.level(Side.BID, 3000, 100 + i)
        fast.take()
    frames = slow.take()
    assert [(f["type"], f["msg"]["code"]) for f in frames] == [("error", 25), ("error", 25)]
    assert slow.connection.subscriptions == {}
    assert kinds(slow.subscribe("orderbook_delta", market_ticker=TICKER)) == ["subscribed", "orderbook_snapshot"]
    assert len(fast.seen) == 102
