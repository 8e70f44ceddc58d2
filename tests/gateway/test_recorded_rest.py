"""Every recorded REST body is read, or refused with the error that names what is wrong."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from apps.gateway import errors as e
from apps.gateway.kalshi import bodies as b
from apps.gateway.kalshi import models as m
from apps.gateway.kalshi import portfolio_models as p
from apps.gateway.kalshi.error_bodies import error_of
from apps.gateway.kalshi.messages import Decoder
from tests.gateway.recorded import rest_bundles

BUNDLES = rest_bundles()

# (method, path prefix) -> body; the longest prefix wins.
DEMO_BODIES: dict[tuple[str, str], type] = {
    ("GET", "/account/endpoint_costs"): p.EndpointCosts,
    ("GET", "/account/limits"): p.AccountLimits,
    ("GET", "/exchange/status"): p.ExchangeStatus,
    ("GET", "/markets?"): b.MarketPage,
    ("GET", "/markets/"): b.MarketBody,
    ("GET", "/markets/trades"): b.TradePage,
    ("GET", "/portfolio/balance"): p.Balance,
    ("GET", "/portfolio/fills"): b.FillPage,
    ("GET", "/portfolio/orders?"): b.OrderPage,
    ("GET", "/portfolio/orders/"): b.OrderBody,
    ("GET", "/portfolio/positions"): b.PositionPage,
    ("GET", "/portfolio/settlements"): b.SettlementPage,
    ("GET", "/series/fee_changes"): b.SeriesFeeChanges,
    ("POST", "/portfolio/events/orders"): p.OrderReply,
    ("DELETE", "/portfolio/events/orders/"): p.CancelReply,
    # Retired V1 writes, still alive on the day of the recording; they answer with a whole order.
    ("POST", "/portfolio/orders"): b.OrderBody,
    ("DELETE", "/portfolio/orders/"): b.OrderBody,
}

DEMO_ERRORS: dict[str, type[e.GatewayError]] = {
    "auth__bad_signature": e.AuthenticationFailed,
    "auth__missing_signature_header": e.AuthenticationFailed,
    "auth__skew_minus30s": e.ClockSkew,
    "auth__skew_minus5min": e.ClockSkew,
    "auth__skew_plus5min": e.ClockSkew,
    "auth__unknown_key_id": e.AuthenticationFailed,
    "cleanup__leftover_0": e.OrderNotFound,
    "cleanup__leftover_1": e.OrderNotFound,
    "cleanup__leftover_2": e.OrderNotFound,
    "markets__limit_over_max": e.InvalidRequest,
    "orders__cancel_already_canceled": e.OrderNotFound,
    "orders__cancel_executed": e.OrderNotFound,
    "orders__cancel_unknown_id": e.OrderNotFound,
    "orders__duplicate_client_order_id": e.OrderAlreadyExists,
    "orders__insufficient_balance": e.InsufficientBalance,
    "orders__invalid_price_structure": e.InvalidPrice,
    "orders__numeric_field_types": e.InvalidRequest,
    "orders__post_only_cross": e.PostOnlyCross,
    "orders__reuse_canceled_client_id": e.OrderAlreadyExists,
}

GOLDEN_READ: dict[str, type] = {
    "event_metadata": b.EventMetadata,
    "events_list": b.EventPage,
    "events_multivariate_list": b.EventPage,
    "exchange_schedule": b.ScheduleBody,
    "exchange_status": p.ExchangeStatus,
    "filters_by_sport": b.FiltersBySport,
    "incentive_programs": b.IncentivePage,
    "live_data_batch": b.LiveDataList,
    "live_data_milestone": b.LiveDataBody,
    "milestone_single": b.MilestoneBody,
    "milestones_list": b.MilestonePage,
    "multivariate_event_collection_single": b.CollectionBody,
    "multivariate_event_collections_list": b.CollectionPage,
    "order_group_create": p.OrderGroupCreated,
    "order_group_delete": b.Empty,
    "order_group_reset": b.Empty,
    "order_group_single": p.OrderGroupDetail,
    "order_groups_list": b.OrderGroupList,
    "series_fee_changes": b.SeriesFeeChanges,
    "series_list": b.SeriesList,
    "series_single": b.SeriesBody,
    "structured_target_single": b.StructuredTargetBody,
    "structured_targets_list": b.StructuredTargetPage,
    "tags_by_categories": b.TagsByCategories,
    "user_data_timestamp": p.UserDataTimestamp,
}

# The integer-cent format of January 2026 lacks the strings we need: a typed refusal, never a guess.
GOLDEN_REFUSED: dict[str, tuple[type, type[e.BadMessage]]] = {
    "amend_order": (p.AmendReply, e.MissingField),
    "batch_cancel_orders": (b.BatchCancelReply, e.BadField),
    "cancel_order": (p.CancelReply, e.BadField),
    "candlesticks_batch": (b.CandlesByMarket, e.MissingField),
    "create_order": (p.OrderReply, e.MissingField),
    "decrease_order": (p.DecreaseReply, e.MissingField),
    "event_candlesticks": (b.EventCandles, e.MissingField),
    "event_single": (b.EventBody, e.MissingField),
    "market_single": (b.MarketBody, e.MissingField),
    "markets_list": (b.MarketPage, e.MissingField),
    "order_queue_position": (p.OneQueuePosition, e.MissingField),
    "order_queue_positions": (b.QueuePositions, e.MissingField),
    "orderbook": (b.OrderbookBody, e.MissingField),
    "portfolio_balance": (p.Balance, e.MissingField),
    "portfolio_fills": (b.FillPage, e.MissingField),
    "portfolio_order_single": (b.OrderBody, e.MissingField),
    "portfolio_orders": (b.OrderPage, e.MissingField),
    "portfolio_positions": (b.PositionPage, e.MissingField),
    "portfolio_settlements": (b.SettlementPage, e.MissingField),
    "series_candlesticks": (b.CandleBody, e.MissingField),
    "trades_list": (b.TradePage, e.MissingField),
}

# Not bodies of the API we use: the recorder's own summary, an endpoint that is gone, a lookup we never make.
NO_MODEL = {"_recording_summary", "exchange_announcements", "multivariate_event_collection_lookup_tickers"}


def _bodies(bundle: str) -> Iterator[tuple[str, str]]:
    for name, text in BUNDLES[bundle].items():
        if name.endswith(".json") and not name.endswith(".meta.json"):
            yield name.removesuffix(".json").removesuffix("_response"), text


def _demo_meta(name: str) -> tuple[str, str, int]:
    """Method, path below the API prefix, status."""
    if name == "markets__high_temp":
        return "GET", "/markets?", 200
    meta = json.loads(BUNDLES["demo_20260611"][f"{name}.meta.json"])
    return meta["method"], meta["path"].removeprefix("/trade-api/v2"), meta["status"]


def _demo_kind(method: str, path: str) -> type:
    path = path if "?" in path or path.count("/") > 1 else f"{path}?"
    if path.split("?")[0].endswith("/orderbook"):
        return b.OrderbookBody
    keys = [key for key in DEMO_BODIES if key[0] == method and path.startswith(key[1])]
    return DEMO_BODIES[max(keys, key=lambda key: len(key[1]))]


@pytest.mark.parametrize("name", [name for name, _ in _bodies("demo_20260611")])
def test_demo_body_is_read_or_mapped_to_its_error(name: str) -> None:
    body = BUNDLES["demo_20260611"][f"{name}.json"]
    method, path, status = _demo_meta(name)
    if status < 400:
        b.parse(_demo_kind(method, path), body)
        assert name not in DEMO_ERRORS
        return
    about_order = "/orders/" in path
    error = error_of(status, body.encode(), is_write=method != "GET", about_order=about_order)
    assert type(error) is DEMO_ERRORS[name]
    assert isinstance(error, e.VenueRejected)
    assert error.status == status


def _prod_202608() -> Iterator[tuple[str, type, Any]]:
    """(where, kind, value) for every API body inside the captures."""
    files = {name: json.loads(text) for name, text in _bodies("prod_202608")}
    for ticker, capture in files["candlesticks_mlb"]["markets"].items():
        yield f"candlesticks {ticker}", b.CandleBody, capture
    for name, collection in files["combo_collections"].items():
        yield f"collection {name}", b.CollectionBody, {"multivariate_contract": collection}
    combos = files["combo_priced_markets"]
    yield "combos", b.MarketPage, {"markets": combos["combos"]}
    for ticker, market in combos["legs"].items():
        yield f"leg {ticker}", m.Market, market
    yield "events sports", b.EventPage, {"events": files["events_sports_nested"]}
    for series, events in files["events_mlb_props_nested"]["events_by_series"].items():
        yield f"events {series}", b.EventPage, {"events": events}
    single = files["market_single"]
    yield "market nested", m.Market, single["nested"]
    yield "market single", b.MarketBody, single["single"]
    yield "orderbook", b.OrderbookBody, single["orderbook"]
    yield "settled", b.MarketPage, {"markets": files["markets_settled"]["markets"]}
    yield "fills", b.FillPage, files["portfolio_fills_redacted"]["payload"]
    yield "settlements", b.SettlementPage, files["portfolio_settlements_redacted"]["payload"]
    for ticker, body in files["series_fee_fields"]["payloads"].items():
        yield f"series {ticker}", b.SeriesBody, body
    for grid in files["price_grids"]["grids"]:
        for one in grid["price_ranges"]:
            yield "price range", m.WireRange, one


def _prod_202607() -> Iterator[tuple[str, type, Any]]:
    kinds: dict[str, type] = {"candlesticks_trimmed": b.CandleBody}
    for name, text in _bodies("prod_202607"):
        yield name, kinds.get(name, b.MarketPage), json.loads(text)


@pytest.mark.parametrize(("where", "kind", "value"), [*_prod_202608(), *_prod_202607()])
def test_production_body_of_2026_is_read(where: str, kind: type, value: Any) -> None:
    b.parse(kind, json.dumps(value))


def test_every_production_market_has_a_grid_its_prices_lie_on() -> None:
    checked = 0
    for where, kind, value in _prod_202608():
        if kind is not b.MarketPage or where == "combos":
            continue
        for market in b.parse(b.MarketPage, json.dumps(value)).markets:
            grid = market.grid()
            assert all(price in grid for price in (market.bid, market.ask) if price is not None)
            checked += 1
    assert checked >= 44


@pytest.mark.parametrize("name", [name for name, _ in _bodies("prod_20260112")])
def test_transitional_body_is_read_or_refused(name: str) -> None:
    if name in NO_MODEL:
        return
    body = json.dumps(json.loads(BUNDLES["prod_20260112"].get(f"{name}_response.json", ""))["response"])
    if name in GOLDEN_READ:
        b.parse(GOLDEN_READ[name], body)
    elif name in GOLDEN_REFUSED:
        kind, error = GOLDEN_REFUSED[name]
        with pytest.raises(error):
            b.parse(kind, body)
    elif name == "batch_create_orders":
        # Its items have another shape, so they name no order; the caller treats such an item as unknown.
        assert all(item.order_id is None for item in b.parse(b.BatchCreateReply, body).orders)
    else:
        assert name == "portfolio_total_resting_order_value"
        assert type(error_of(403, body.encode(), is_write=False)) is e.Forbidden


def test_recorded_bodies_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    seen: Counter[str] = Counter()
    for bundle in BUNDLES:
        seen[bundle] = sum(1 for _ in _bodies(bundle))
    nested = sum(1 for _ in _prod_202608())
    frames = Counter(
        Decoder(use_yes_price=name.endswith("yes.jsonl")).decode(line).type
        for name, text in BUNDLES["demo_20260611"].items()
        if name.endswith(".jsonl")
        for line in text.splitlines()
        if line
    )
    with capsys.disabled():
        sys.stdout.write(f"\nrecorded REST files: {dict(seen)}; bodies inside the 2026-08 captures: {nested}\n")
    assert seen["demo_20260611"] == 58
    assert seen["prod_20260112"] == 51
    assert frames == {"subscribed": 4, "orderbook_snapshot": 2, "orderbook_delta": 6}
