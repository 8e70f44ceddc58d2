"""An exchange that was killed at any moment comes back with everything it ever acknowledged."""

from __future__ import annotations

import errno
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.engine.types import Side
from apps.simulation.exchange.clock import rfc3339
from apps.simulation.exchange.config import Credential, ExchangeConfig
from apps.simulation.exchange.exchange import create_exchange
from apps.simulation.exchange.journal import StateCorrupt, StateFileError, StateInUse
from apps.simulation.exchange.lifecycle import finish_left_over

from .venue import ORDERS, TICKER, Client, Venue, add_market, key_of, make_venue

OTHER = "KXTEST-26DEC31-T60"
NAMES = ("craig", "cliff")
READS = ("/portfolio/balance", "/portfolio/fills", "/portfolio/positions?settlement_status=all")
MORE_READS = ("/portfolio/settlements", "/portfolio/order_groups", "/portfolio/orders")


def open_venue(path: Path | None, now_us: int | None = None, **options: Any) -> Venue:
    """The usual market and a second one, with a state file."""
    start = {} if now_us is None else {"start_us": now_us}
    venue = make_venue(state_file=path, **start, **options)
    add_market(venue.exchange, OTHER)
    return venue


@contextmanager
def killed(venue: Venue, path: Path, size: int | None = None) -> Iterator[Venue]:
    """A new exchange on what the file held at that size, while the old one still has the file itself open."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "state.jsonl"
        shutil.copy(path, copy)
        if size is not None:
            os.truncate(copy, size)
        reborn = open_venue(copy, venue.clock.now_us())
        try:
            yield reborn
        finally:
            reborn.exchange.shut_down()


def reads(client: Client) -> dict[str, Any]:
    found = {target: client.get(target) for target in (*READS, *MORE_READS)}
    for group in found["/portfolio/order_groups"]["order_groups"]:
        found[group["id"]] = client.get(f"/portfolio/order_groups/{group['id']}")
    return found


def after_a_stop(before: dict[str, Any], now_us: int) -> dict[str, Any]:
    """What the same reads say of an exchange that was down: what rested is canceled, all else is as it was."""
    halted = {"status": "canceled", "remaining_count_fp": "0.00", "last_update_time": rfc3339(now_us)}
    orders = before["/portfolio/orders"]["orders"]
    orders = [o | halted if o["status"] == "resting" else o for o in orders]
    emptied = {k: v | {"orders": []} for k, v in before.items() if "orders" in v and k != "/portfolio/orders"}
    return before | emptied | {"/portfolio/orders": before["/portfolio/orders"] | {"orders": orders}}


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("order"),
            st.sampled_from(NAMES),
            st.sampled_from([TICKER, OTHER]),
            st.sampled_from(["bid", "ask"]),
            st.sampled_from(["0.3900", "0.4500", "0.5000", "0.6000"]),
            st.sampled_from(["0.01", "1.00", "25.37", "180.50"]),
            st.sampled_from(["good_till_canceled", "immediate_or_cancel"]),
            st.booleans(),
        ),
        st.tuples(st.just("crowd"), st.sampled_from(Side), st.sampled_from([3900, 5500]), st.integers(1, 9_999)),
        st.tuples(st.just("change"), st.sampled_from(NAMES), st.sampled_from(["amend", "decrease", "cancel", "all"])),
        st.tuples(st.just("group"), st.sampled_from(NAMES), st.sampled_from(["create", "reset", "trigger", "delete"])),
        st.tuples(st.just("wait"), st.integers(0, 20)),
        st.tuples(st.just("settle"), st.sampled_from([TICKER, OTHER]), st.sampled_from(["yes", "no", "scalar"])),
    ),
    max_size=30,
)


def act(venue: Venue, step: tuple[Any, ...]) -> None:
    kind, *rest = step
    if kind == "order":
        who, ticker, side, price, count, tif, in_group = rest
        client = venue.clients[who]
        groups = client.get("/portfolio/order_groups")["order_groups"]
        extra = {"order_group_id": groups[0]["id"]} if in_group and groups else {}
        client.create(side, price, count, ticker=ticker, time_in_force=tif, **extra)
    elif kind == "crowd":
        venue.crowd_takes(*rest)
    elif kind == "wait":
        venue.clock.advance(rest[0])
    elif kind == "settle":
        ticker, result = rest
        if venue.exchange.market(ticker).status == "active":
            venue.exchange.determine(ticker, result, 3_333)
            venue.exchange.settle(ticker)
    elif kind == "group":
        _act_on_group(venue.clients[rest[0]], rest[1])
    else:
        _act_on_order(venue.clients[rest[0]], rest[1])


def _act_on_group(client: Client, what: str) -> None:
    groups = client.get("/portfolio/order_groups")["order_groups"]
    if what == "create":
        client.call("POST", "/portfolio/order_groups/create", {"contracts_limit": 20})
    elif groups and what == "delete":
        client.call("DELETE", f"/portfolio/order_groups/{groups[0]['id']}")
    elif groups:
        client.call("PUT", f"/portfolio/order_groups/{groups[0]['id']}/{what}")


def _act_on_order(client: Client, what: str) -> None:
    resting = client.get("/portfolio/orders?status=resting")["orders"]
    if what == "all":
        client.call("DELETE", ORDERS)
    elif resting and what == "cancel":
        client.call("DELETE", f"{ORDERS}/{resting[0]['order_id']}")
    elif resting and what == "decrease":
        client.call("POST", f"{ORDERS}/{resting[0]['order_id']}/decrease", {"reduce_by": "0.01"})
    elif resting:
        order = resting[0]
        changed = {"ticker": order["ticker"], "side": order["book_side"], "price": "0.5000", "count": "30.00"}
        changed["updated_client_order_id"] = f"{order['client_order_id']}x"
        client.call("POST", f"{ORDERS}/{order['order_id']}/amend", changed)


@settings(max_examples=60, deadline=None)
@given(script=steps, data=st.data())
def test_killed_anywhere_it_is_as_it_was_after_the_last_whole_line(script: list[tuple[Any, ...]], data: Any) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "state.jsonl"
        venue = open_venue(path)
        seen: list[tuple[int, int, dict[str, Any]]] = []
        for step in [("wait", 0), *script]:
            act(venue, step)
            # The first read also writes down what the step did outside of a request.
            venue.clients["craig"].get("/portfolio/balance")
            state = {name: reads(client) for name, client in venue.clients.items()}
            seen.append((path.stat().st_size, venue.clock.now_us(), state))
        size, _, _ = data.draw(st.sampled_from(seen))
        size, now_us, before = [entry for entry in seen if entry[0] == size][-1]
        following = next((entry[0] for entry in seen if entry[0] > size), size)
        torn = data.draw(st.integers(0, max(0, min(following - size, 40) - 1)))
        venue.clock.set(now_us)
        with killed(venue, path, size + torn) as reborn:
            assert reborn.conserved()
            for name, client in reborn.clients.items():
                assert reads(client) == after_a_stop(before[name], now_us)
        venue.exchange.shut_down()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.jsonl"


def traded(path: Path, **options: Any) -> Venue:
    """craig bought 5 at 0.60 and has 10 resting at 0.41, of which 3 filled; cliff canceled one."""
    venue = open_venue(path, **options)
    craig, cliff = (venue.clients[name] for name in NAMES)
    craig.place("bid", "0.6000", "5.00", time_in_force="immediate_or_cancel")
    craig.place("bid", "0.4100", "10.00", client_order_id="kept")
    venue.crowd_takes(Side.ASK, 4100, 300)
    order_id = cliff.place("ask", "0.7000", "2.00")
    cliff.call("DELETE", f"{ORDERS}/{order_id}")
    return venue


def ids_of(venue: Venue) -> list[str]:
    """Ids of all orders and of craig's trades."""
    state = venue.exchange.state
    trades = (f.trade_id for f in state.accounts["craig"].fills)
    return [*state.orders, *trades]


def numbers_of(venue: Venue) -> list[int]:
    state = venue.exchange.state
    return [e.number for e in (*state.orders.values(), *state.accounts["craig"].fills)]


def test_what_rested_is_canceled_as_by_a_halt_and_its_fills_stay(path: Path) -> None:
    with killed(traded(path), path) as venue:
        craig = venue.clients["craig"]
        [order] = [o for o in craig.get("/portfolio/orders")["orders"] if o["client_order_id"] == "kept"]
        assert (order["status"], order["fill_count_fp"], order["remaining_count_fp"]) == ("canceled", "3.00", "0.00")
        assert venue.exchange.state.orders[order["order_id"]].reason == "HaltCancel"
        assert craig.get("/portfolio/summary/total_resting_order_value")["total_resting_order_value"] == 0


def test_client_order_ids_stay_spent_and_no_id_comes_twice(path: Path) -> None:
    before = traded(path)
    with killed(before, path) as venue:
        craig = venue.clients["craig"]
        status, body = craig.create(client_order_id="kept")
        assert (status, body["error"]["code"]) == (409, "order_already_exists")
        # The new exchange draws its ids from the same seed.
        for i in range(20):
            craig.place("bid", "0.6000", "1.00", time_in_force="immediate_or_cancel", client_order_id=f"new{i}")
        old, all_ids = ids_of(before), ids_of(venue)
        assert len(set(all_ids)) == len(all_ids) == len(old) + 40
        numbers = sorted(numbers_of(venue))
        assert numbers[len(old) - 1] == max(numbers_of(before)) < numbers[len(old)]
        assert venue.conserved()


def test_trading_goes_on_where_it_was_and_market_identity_stays(path: Path) -> None:
    before = traded(path)
    with killed(before, path) as venue:
        assert venue.market.market_id == before.market.market_id
        venue.clients["craig"].place("ask", "0.4000", "8.00", time_in_force="immediate_or_cancel", client_order_id="o")
        assert venue.exchange.state.accounts["craig"].held(TICKER) == 0
        assert venue.conserved()


def test_settled_market_stays_settled_when_its_flow_comes_back(path: Path) -> None:
    before = traded(path)
    before.exchange.determine(TICKER, "yes")
    before.exchange.settle(TICKER)
    before.exchange.commit()
    with killed(before, path) as venue:
        status, body = venue.clients["craig"].create(client_order_id="late")
        assert (status, body["error"]["code"]) == (409, "market_closed")
        assert len(venue.clients["craig"].get("/portfolio/settlements")["settlements"]) == 1


@pytest.mark.parametrize(
    ("side", "price", "last", "result"), [("bid", "0.6000", 6000, "yes"), ("ask", "0.4000", 4000, "no")]
)
def test_market_that_nothing_takes_up_again_settles_at_its_last_price(
    path: Path, side: str, price: str, last: int, result: str
) -> None:
    before = open_venue(path)
    before.clients["craig"].place(side, price, "5.00", time_in_force="immediate_or_cancel")
    before.exchange.shut_down()
    credentials = tuple(Credential(n, key_of(n).public_key()) for n in NAMES)
    exchange = create_exchange(ExchangeConfig(credentials), before.clock, random.Random(1), path)
    market = exchange.market(TICKER)
    assert (market.status, market.last_price) == ("active", last)
    finish_left_over(exchange.state)
    assert (market.status, market.result) == ("finalized", result)
    [settlement] = exchange.state.accounts["craig"].settlements
    assert settlement.revenue == 5_000_000
    assert exchange.money_put_in() == 0
    exchange.shut_down()


def test_accounts_stay_when_their_key_is_away_and_new_keys_start_anew(path: Path) -> None:
    before = traded(path)
    cash = before.clients["craig"].cash()
    before.exchange.shut_down()
    other = make_venue(state_file=path, names=("cliff", "dave"))
    assert other.clients["dave"].cash() == "1000.0000"
    assert Client(other, "craig", key_of("craig")).call("GET", "/portfolio/balance")[0] == 401
    other.exchange.shut_down()
    again = make_venue(state_file=path, names=("craig", "dave"), cash=5)
    assert (again.clients["craig"].cash(), again.clients["dave"].cash()) == (cash, "1000.0000")
    assert again.conserved()
    again.exchange.shut_down()


class TestFile:
    def test_is_private_and_used_by_one_exchange_at_a_time(self, path: Path) -> None:
        venue = traded(path)
        assert path.stat().st_mode & 0o077 == 0
        with pytest.raises(StateInUse, match=r"state\.jsonl is used by another exchange"):
            open_venue(path)
        venue.exchange.shut_down()
        open_venue(path).exchange.shut_down()

    def test_torn_last_line_is_cut_off_and_the_file_goes_on(self, path: Path, caplog: pytest.LogCaptureFixture) -> None:
        venue = traded(path)
        venue.exchange.shut_down()
        whole = path.read_bytes()
        path.write_bytes(whole + b'1234abcd [{"type":"acc')
        reborn = open_venue(path)
        assert "was torn and is cut off" in caplog.text
        reborn.clients["craig"].place(client_order_id="after")
        reborn.exchange.shut_down()
        assert path.read_bytes().startswith(whole)
        with killed(reborn, path) as third:
            orders = third.clients["craig"].get("/portfolio/orders")["orders"]
            assert "after" in {o["client_order_id"] for o in orders}

    @pytest.mark.parametrize("damage", ["digit", "cut", "gone"])
    def test_damage_before_the_last_line_is_named_with_its_line(self, path: Path, damage: str) -> None:
        traded(path).exchange.shut_down()
        lines = path.read_bytes().splitlines(keepends=True)
        if damage == "digit":
            lines[2] = lines[2].replace(b'"quantity":500', b'"quantity":900')
        else:
            lines[2] = lines[2][:30] + (b"\n" if damage == "cut" else b"")
        path.write_bytes(b"".join(lines))
        before = path.read_bytes()
        with pytest.raises(StateCorrupt, match=r"state\.jsonl, line 3: ") as caught:
            open_venue(path)
        assert (caught.value.path, caught.value.line) == (path, 3)
        assert path.read_bytes() == before

    @pytest.mark.parametrize("content", [b"hello", b"hello\n", b'{"version": 1}\n', b"\xff\xfe\n" * 3])
    def test_another_file_is_refused_and_left_alone(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        with pytest.raises(StateCorrupt, match="line 1: this is no exchange state"):
            open_venue(path)
        assert path.read_bytes() == content

    def test_reading_alone_writes_nothing(self, path: Path) -> None:
        venue = traded(path)
        venue.clients["craig"].cash()
        size = path.stat().st_size
        for _ in range(5):
            reads(venue.clients["craig"])
        assert path.stat().st_size == size

    def test_full_disk_ends_acknowledgments_for_good(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        venue = traded(path)
        write = os.write

        def half(fd: int, data: bytes) -> int:
            write(fd, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "write", half)
        with pytest.raises(StateFileError, match="No space left"):
            venue.clients["craig"].create(client_order_id="lost")
        monkeypatch.undo()
        with pytest.raises(StateFileError, match="takes nothing more"):
            venue.clients["craig"].get("/portfolio/balance")
        with killed(venue, path) as reborn:
            orders = reborn.clients["craig"].get("/portfolio/orders")["orders"]
            assert "lost" not in {o["client_order_id"] for o in orders}
            assert reborn.conserved()


def test_without_a_state_file_nothing_is_gathered() -> None:
    venue = open_venue(None)
    venue.clients["craig"].place()
    assert venue.exchange.state.log._rows == []
