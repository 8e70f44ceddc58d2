"""Two published clients against the running simulator: what they accept and what they cannot read today.

pykalshi speaks today's API and must accept everything. The official SDK of December 2025 predates it: its old
order writes are gone, and its strict models cannot read today's shapes; exactly that must come out.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import kalshi_python_async
import pykalshi
import pytest
import pytest_asyncio
import websockets
from pydantic import ValidationError
from pykalshi import feed
from pykalshi.exceptions import KalshiAPIError

from apps.engine.types import OrderIntent, Side
from apps.simulation.exchange.entry import create_order

from .server import KEY_ID, Served, served

PROBE = Path(__file__).parents[3] / "shared" / "oracle" / "sdk_probe.py"
SERIES, EVENT, TICKER = "KXSIMPAST", "KXSIMPAST-OPEN", "KXSIMPAST-OPEN-T1"
LIVELY = "KXSIMECON-E001-T1"
pytestmark = pytest.mark.conformance


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[Served]:
    async with served(tmp_path) as running:
        yield running


@pytest_asyncio.fixture
async def trader(server: Served, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    client = pykalshi.AsyncKalshiClient(
        api_key_id=KEY_ID, private_key_path=str(server.key_path), api_base=server.base_url, max_retries=0
    )
    yield client
    await client.aclose()


@pytest_asyncio.fixture
async def official(server: Served, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    configuration = kalshi_python_async.Configuration(host=server.base_url)
    configuration.api_key_id = KEY_ID
    configuration.private_key_pem = server.key_path.read_text()
    client = kalshi_python_async.KalshiClient(configuration)
    yield client
    await client.close()


async def test_current_client_reads_the_market_side(trader: Any) -> None:
    now = int(time.time())
    status = await trader.exchange.get_status()
    assert (status.exchange_active, status.trading_active) == (True, True)
    assert [s.ticker for s in await trader.get_all_series(category="Economics")] == ["KXSIMECON", SERIES]
    assert (await trader.get_series(SERIES)).ticker == SERIES
    assert len(await trader.get_events(limit=3)) == 3
    assert (await trader.get_event(EVENT)).event_ticker == EVENT
    open_markets = await trader.get_markets(limit=100, status=pykalshi.MarketStatus.OPEN)
    assert len(open_markets) == 7
    market = await trader.get_market(LIVELY)
    book = await market.get_orderbook()
    assert float(book.best_yes_bid) < float(book.best_yes_ask)
    assert len(await trader.get_trades(limit=5, ticker=LIVELY)) == 5
    candles = await trader.get_candlesticks_batch([LIVELY], now - 7200, now)
    assert candles[LIVELY].candlesticks
    for path in ("/account/limits", "/historical/cutoff", "/incentive_programs?status=active&limit=5"):
        assert await trader.get(path)


async def test_current_client_carries_an_order_through_its_life(trader: Any) -> None:
    desk = trader.portfolio
    bid = {"book_side": "bid", "price_dollars": "0.01"}
    order = await desk.place_order(LIVELY, count_fp="3.00", client_order_id="life-1", **bid)
    assert (await desk.get_order(order.order_id)).data.remaining_count_fp == "3.00"
    assert await desk.get_queue_position(order.order_id)
    assert [p.order_id for p in await desk.get_queue_positions(market_tickers=[LIVELY])] == [order.order_id]
    amended = await desk.amend_order(
        order.order_id, ticker=LIVELY, book_side="bid", count_fp="2.00", price_dollars="0.02"
    )
    assert amended.data.remaining_count_fp == "2.00"
    assert (await desk.decrease_order(order.order_id, "1.00")).data.remaining_count_fp == "1.00"
    await desk.cancel_order(order.order_id)
    assert (await desk.get_order(order.order_id)).status == pykalshi.OrderStatus.CANCELED
    batch = [{"ticker": LIVELY, "count_fp": "1.00", "client_order_id": f"batch-{i}", **bid} for i in range(2)]
    placed = await desk.batch_place_orders(batch)
    await desk.batch_cancel_orders([o.order_id for o in placed])
    resting = await desk.get_orders(status=pykalshi.OrderStatus.RESTING)
    assert {o.ticker for o in resting} == {TICKER}


async def test_current_client_reads_the_account(trader: Any) -> None:
    desk = trader.portfolio
    assert (await desk.get_balance()).balance == 999_883
    assert {f.ticker for f in await desk.get_fills()} == {TICKER, "KXSIMPAST-OVER-T1"}
    [position] = await desk.get_positions()
    assert (position.ticker, position.position_fp) == (TICKER, "5.00")
    [settlement] = await desk.get_settlements()
    assert settlement.market_result == "yes"
    group = await desk.create_order_group("10.00")
    assert [g.id for g in await desk.get_order_groups()] == [group.id]
    await desk.trigger_order_group(group.id)
    await desk.reset_order_group(group.id)
    assert await desk.get_order_group(group.id)


async def test_current_client_sees_refusals_by_their_code(trader: Any) -> None:
    for price, coid, code in (("0.0005", "r1", "invalid_price"), ("0.01", "r.2", "invalid_parameters")):
        with pytest.raises(KalshiAPIError) as caught:
            await trader.portfolio.place_order(
                LIVELY, book_side="bid", count_fp="1.00", price_dollars=price, client_order_id=coid
            )
        assert caught.value.status_code == 400
        assert caught.value.error_code == code


async def test_socket_frames_pass_the_current_clients_models(server: Served, trader: Any) -> None:
    stamp, signature = trader._sign_request("GET", feed._WS_SIGN_PATH)
    headers = {
        "KALSHI-ACCESS-KEY": KEY_ID,
        "KALSHI-ACCESS-TIMESTAMP": stamp,
        "KALSHI-ACCESS-SIGNATURE": signature,
    }
    seen: Counter[str] = Counter()
    last: dict[int, int] = {}
    channels = ("orderbook_delta", "ticker", "trade", "fill", "market_positions", "user_orders", "order_group_updates")
    wanted = {
        "subscribed": 7,
        "orderbook_delta": 20,
        "trade": 1,
        "ticker": 1,
        "fill": 1,
        "user_order": 1,
        "market_position": 1,
    }
    async with websockets.connect(server.ws_url, additional_headers=headers) as ws, asyncio.timeout(20):
        for i, channel in enumerate(channels, 1):
            params: dict[str, Any] = {"channels": [channel]}
            if channel in ("orderbook_delta", "ticker", "trade"):
                params["market_tickers"] = [LIVELY]
            await ws.send(json.dumps({"id": i, "cmd": "subscribe", "params": params}))
        while any(seen[kind] < count for kind, count in wanted.items()):
            kind, _, parsed, data = feed._parse_message(await ws.recv())
            seen[str(kind)] += 1
            if kind == "subscribed" and seen["subscribed"] == len(channels):
                buying = {"book_side": "bid", "price_dollars": "0.99", "client_order_id": "w"}
                await trader.portfolio.place_order(LIVELY, count_fp="1.00", **buying)
            assert not (isinstance(parsed, dict) and kind in feed._MESSAGE_MODELS), f"{kind} refused: {data}"
            if "seq" in data:
                assert data["seq"] == last.get(data["sid"], 0) + 1
                last[data["sid"]] = data["seq"]


@pytest.mark.parametrize(
    "headers", [{}, {"KALSHI-ACCESS-KEY": KEY_ID, "KALSHI-ACCESS-TIMESTAMP": "1", "KALSHI-ACCESS-SIGNATURE": "x"}]
)
async def test_unsigned_upgrade_is_refused(server: Served, headers: dict[str, str]) -> None:
    with pytest.raises(websockets.InvalidStatus) as caught:
        async with websockets.connect(server.ws_url, additional_headers=headers):
            pass
    assert caught.value.response.status_code == 401


async def outcome(call: Callable[[], Awaitable[Any]]) -> str:
    try:
        await call()
    except ValidationError:
        return "MODEL"
    except kalshi_python_async.exceptions.ApiException as refused:
        return "GONE" if refused.status in (404, 410) else f"HTTP {refused.status}"
    return "PASS"


def official_calls(client: Any) -> dict[str, Callable[[], Awaitable[Any]]]:
    now = int(time.time())
    order: dict[str, Any] = {
        "ticker": TICKER,
        "side": "yes",
        "action": "buy",
        "count": 1,
        "type": "limit",
        "yes_price": 1,
        "time_in_force": "good_till_canceled",
    }
    request = kalshi_python_async.models.CreateOrderRequest(client_order_id="b", **order)
    return {
        "status": client.get_exchange_status,
        "schedule": client.get_exchange_schedule,
        "announcements": client.get_exchange_announcements,
        "user data timestamp": client.get_user_data_timestamp,
        "series list": lambda: client.get_series_list(category="Economics"),
        "series": lambda: client.get_series(SERIES),
        "series fee changes": lambda: client.get_series_fee_changes(series_ticker=SERIES),
        "events": lambda: client.get_events(limit=5, status="open"),
        "event": lambda: client.get_event(EVENT),
        "markets": lambda: client.get_markets(limit=5, status="open"),
        "market": lambda: client.get_market(TICKER),
        "orderbook": lambda: client.get_market_orderbook(TICKER, depth=10),
        "trades": lambda: client.get_trades(limit=5, ticker=TICKER),
        "candlesticks": lambda: client.get_market_candlesticks(SERIES, TICKER, now - 7200, now, 60),
        "candlesticks batch": lambda: client.batch_get_market_candlesticks(TICKER, now - 7200, now, 60),
        "milestones": lambda: client.get_milestones(limit=5),
        "structured targets": lambda: client.get_structured_targets(page_size=5),
        "incentive programs": lambda: client.get_incentive_programs(status="active", limit=5),
        "balance": client.get_balance,
        "create": lambda: client.create_order(client_order_id="a", **order),
        "batch create": lambda: client.batch_create_orders(orders=[request]),
        "orders": lambda: client.get_orders(status="resting", limit=5),
        "queue positions": lambda: client.get_order_queue_positions(market_tickers=TICKER),
        "fills": lambda: client.get_fills(limit=5),
        "positions": lambda: client.get_positions(limit=5),
        "settlements": lambda: client.get_settlements(limit=5),
        "resting order value": client.get_portfolio_resting_order_total_value,
        "order groups": client.get_order_groups,
    }


PASSING = {
    "status",
    "schedule",
    "user data timestamp",
    "series fee changes",
    "milestones",
    "structured targets",
    "incentive programs",
    "balance",
    "resting order value",
    "order groups",
}
GONE = {"announcements", "create", "batch create"}


async def test_old_official_client_reads_what_did_not_change(official: Any) -> None:
    results = {name: await outcome(call) for name, call in official_calls(official).items()}
    assert {n for n, r in results.items() if r == "PASS"} == PASSING
    assert {n for n, r in results.items() if r == "GONE"} == GONE
    assert {n for n, r in results.items() if r == "MODEL"} == results.keys() - PASSING - GONE


async def own_table(server: Served, official: Any, folder: Path) -> Counter[str]:
    """Our own count of the same calls; the six that need an old order cannot be made."""
    del server, folder
    calls = official_calls(official)
    group_id = (await official.create_order_group(contracts_limit=10)).order_group_id
    calls["group"] = lambda: official.get_order_group(group_id)
    calls["reset group"] = lambda: official.reset_order_group(group_id)
    calls["delete group"] = lambda: official.delete_order_group(group_id)
    return Counter({"SKIP": 6, "PASS": 1}) + Counter([await outcome(call) for call in calls.values()])


async def probe(server: Served, client: str, folder: Path, *more: str) -> Counter[str]:
    report = folder / "report.json"
    arguments = [
        *("--base-url", server.base_url, "--key-id", KEY_ID, "--key", str(server.key_path)),
        *("--client", client, "--ticker", TICKER, "--event", EVENT, "--series", SERIES),
        *("--json", str(report), *more),
    ]
    running = await asyncio.create_subprocess_exec(
        sys.executable, str(PROBE), *arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    await running.wait()
    return Counter(row["outcome"] for row in json.loads(report.read_text()))


async def probe_table(server: Served, official: Any, folder: Path) -> Counter[str]:
    """The shared probe's count, and on the way its verdict on the current client."""
    del official
    socket = ("--ws-url", server.ws_url, "--ws-seconds", "1")
    assert await probe(server, "pykalshi", folder, *socket) == {"PASS": 33}
    return await probe(server, "async", folder)


# The probe lies beside the repository; where it does not, our own count is the only judge.
JUDGES = [own_table, probe_table] if PROBE.exists() else [own_table]


@pytest.mark.parametrize("judge", JUDGES)
async def test_table_of_the_official_client(judge: Any, server: Served, official: Any, tmp_path: Path) -> None:
    expected = {"PASS": 14, "GONE": 3, "MODEL": 15, "SKIP": 6}
    assert await judge(server, official, tmp_path) == expected


def test_history_gives_every_account_the_same_past(server: Served) -> None:
    state = server.app.exchange.state
    [account] = state.accounts.values()
    assert [f.order.ticker for f in account.fills] == ["KXSIMPAST-OVER-T1", TICKER]
    assert server.app.exchange.money_put_in() == 0
    intent = OrderIntent("extra", TICKER, Side.BID, 100, 100)
    assert create_order(state, account, intent).status == "resting"
