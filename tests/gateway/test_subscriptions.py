"""Wishes and confirmations: nothing is widened, forgotten or asked for twice."""

from __future__ import annotations

from apps.gateway.kalshi.frames import ErrorFrame, SubscribedFrame, UnsubscribedFrame
from apps.gateway.kalshi.subscriptions import Subscriptions


def test_an_emptied_market_filter_never_becomes_all_markets() -> None:
    subscriptions = Subscriptions()
    wanted = subscriptions.want(["fill"], ["A"])
    (command,) = subscriptions.start()
    subscriptions.on_frame(SubscribedFrame(command["id"], "fill", 1))
    subscriptions.remove(wanted, ["A"])
    assert subscriptions.start() == []
    (again,) = subscriptions.add(wanted, ["B"])
    assert again["cmd"] == "subscribe"
    assert again["params"]["market_tickers"] == ["B"]


def test_markets_added_while_the_answer_is_under_way_are_caught_up() -> None:
    subscriptions = Subscriptions()
    wanted = subscriptions.want(["orderbook_delta"], ["A", "B"])
    (command,) = subscriptions.start()
    assert subscriptions.add(wanted, ["C"]) == []
    assert subscriptions.remove(wanted, ["A"]) == []
    updates = subscriptions.on_frame(SubscribedFrame(command["id"], "orderbook_delta", 4))
    assert [(u["params"]["action"], u["params"]["market_tickers"]) for u in updates] == [
        ("add_markets", ["C"]),
        ("delete_markets", ["A"]),
    ]


def test_no_leg_pricing_is_sent_explicitly_too() -> None:
    subscriptions = Subscriptions(use_yes_price=False)
    command = subscriptions.subscribe_command(subscriptions.want(["orderbook_delta"], ["A"]))
    assert command["params"]["use_yes_price"] is False
    other = subscriptions.subscribe_command(subscriptions.want(["trade"], ["A"]))
    assert "use_yes_price" not in other["params"]


def test_terminal_error_subscribes_only_the_dead_channel_again() -> None:
    subscriptions = Subscriptions()
    subscriptions.want(["orderbook_delta", "trade"], ["A"])
    (command,) = subscriptions.start()
    subscriptions.on_frame(SubscribedFrame(command["id"], "orderbook_delta", 1))
    subscriptions.on_frame(SubscribedFrame(command["id"], "trade", 2))
    (again,) = subscriptions.on_frame(ErrorFrame(10, "channel error", terminal=True, sid=2))
    assert again["params"]["channels"] == ["trade"]
    assert subscriptions.on_frame(ErrorFrame(10, "channel error", terminal=True, sid=2)) == []
    assert subscriptions.on_frame(ErrorFrame(27, "slow down", terminal=False, sid=1)) == []


def test_unsubscribe_names_the_sids_and_a_dropped_wish_does_not_return() -> None:
    subscriptions = Subscriptions()
    wanted = subscriptions.want(["orderbook_delta"], ["A"])
    (command,) = subscriptions.start()
    subscriptions.on_frame(SubscribedFrame(command["id"], "orderbook_delta", 5))
    dropped = subscriptions.drop(wanted)
    assert dropped is not None
    assert dropped["params"] == {"sids": [5]}
    subscriptions.on_frame(UnsubscribedFrame(dropped["id"], 5))
    assert subscriptions.start() == []


def test_sids_of_a_former_connection_are_forgotten() -> None:
    subscriptions = Subscriptions()
    wanted = subscriptions.want(["orderbook_delta"], ["A"])
    (command,) = subscriptions.start()
    subscriptions.on_frame(SubscribedFrame(command["id"], "orderbook_delta", 5))
    subscriptions.start()
    assert wanted.sids == {}
    assert subscriptions.on_frame(SubscribedFrame(command["id"], "orderbook_delta", 6)) == []
    assert wanted.sids == {}
