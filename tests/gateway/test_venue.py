"""The venue the trading loop sees: engine values in and out, one page after another."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import httpx2

from apps.engine.ports import Venue, VenueBalance, VenueSettlement
from apps.engine.types import Fill, OrderIntent, Side
from apps.gateway.kalshi.limits import basic_budget
from apps.gateway.kalshi.rest import KalshiRest
from apps.gateway.kalshi.signing import Signer
from apps.gateway.kalshi.venue import KalshiVenue
from tests.gateway.conftest import FakeClock
from tests.gateway.recorded import rest_bundles

DEMO = rest_bundles()["demo_20260611"]
PROD = rest_bundles()["prod_202608"]
ROUTES: dict[tuple[str, str], tuple[int, str]] = {
    ("POST", "/portfolio/events/orders"): (201, DEMO["orders__create_v2_maker.json"]),
    ("DELETE", "/portfolio/events/orders/2597b999-f887-4195-8bac-c3f97a1f2021"): (200, DEMO["orders__cancel_v2.json"]),
    ("DELETE", "/portfolio/events/orders"): (204, ""),
    ("GET", "/portfolio/orders"): (200, DEMO["portfolio__orders_list.json"]),
    ("GET", "/portfolio/fills"): (200, DEMO["fills__after_taker.json"]),
    ("GET", "/portfolio/positions"): (200, DEMO["portfolio__positions.json"]),
    ("GET", "/portfolio/balance"): (200, DEMO["auth__balance_ok.json"]),
    ("GET", "/portfolio/settlements"): (
        200,
        json.dumps(json.loads(PROD["portfolio_settlements_redacted.json"])["payload"]),
    ),
}
TICKER = "KXWTACHALLENGERMATCH-26JUN11JIMLEP-LEP"
CREATED = json.loads(DEMO["orders__create_v2_maker.json"])


def _venue(clock: FakeClock, signer: Signer) -> tuple[KalshiVenue, list[dict[str, Any]]]:
    queries: list[dict[str, Any]] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        queries.append(dict(request.url.params))
        status, text = ROUTES[(request.method, request.url.path.removeprefix("/trade-api/v2"))]
        return httpx2.Response(status, text=text)

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    base = "https://exchange.test/trade-api/v2"
    rest = KalshiRest(base, signer, basic_budget(clock), clock, client=client, rng=Random(1), sleep=clock.sleep)
    return KalshiVenue(rest), queries


async def test_recorded_order_life_in_engine_values(clock: FakeClock, signer: Signer) -> None:
    venue: Venue
    venue, _ = _venue(clock, signer)
    intent = OrderIntent(CREATED["client_order_id"], TICKER, Side.BID, 100, 100)
    ack = await venue.submit(intent)
    assert (ack.order_id, ack.filled, ack.remaining) == (CREATED["order_id"], 0, 100)
    assert (await venue.cancel(ack.order_id, TICKER)).reduced_by == 100
    await venue.cancel_all()
    found = await venue.order_by_client_id(intent.client_order_id, TICKER)
    assert found is not None
    assert (found.side, found.price, found.status, found.remaining) == (Side.BID, 100, "canceled", 0)
    assert await venue.order_by_client_id("nobody", TICKER) is None


async def test_recorded_account_in_engine_values(clock: FakeClock, signer: Signer) -> None:
    venue, queries = _venue(clock, signer)
    fills = await venue.fills(min_ts_s=5)
    assert queries[-1]["min_ts"] == "5"
    assert fills[0] == Fill(
        "f4a42159-b500-57c6-efa2-c31d94d916c1",
        "97ec18b7-10d3-4557-9de0-8598aad625f0",
        TICKER,
        Side.BID,
        5200,
        100,
        17_500,
        True,
        1781159370165,
    )
    (position,) = await venue.positions()
    assert (position.quantity, position.cost, position.fees) == (300, 2_500_000, 18_900)
    assert await venue.balance() == VenueBalance(98_018_600, 1781159348000)
    orders = await venue.orders()
    assert len(orders) == len(json.loads(DEMO["portfolio__orders_list.json"])["orders"])
    assert "min_ts" not in queries[-1]
    await venue.open_orders()
    assert queries[-1]["status"] == "resting"


async def test_settlement_amounts_in_cents_become_money(clock: FakeClock, signer: Signer) -> None:
    venue, _ = _venue(clock, signer)
    first = (await venue.settlements())[0]
    assert isinstance(first, VenueSettlement)
    assert (first.result, first.value, first.revenue, first.fee) == ("no", 0, 0, 26_900)


async def test_an_empty_batch_sends_nothing(clock: FakeClock, signer: Signer) -> None:
    venue, queries = _venue(clock, signer)
    assert await venue.submit_many([]) == []
    assert await venue.cancel_many([]) == []
    assert queries == []
