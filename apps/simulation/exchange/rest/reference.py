"""The exchange itself, series, events, programs and history (Kalshi docs: exchange, events, historical data)."""

from __future__ import annotations

import uuid
from typing import Any

from apps.simulation.exchange import render
from apps.simulation.exchange.clock import rfc3339
from apps.simulation.exchange.markets import SHARDS, STATUS_FILTER, Event, Market
from apps.simulation.exchange.refusals import bad_query, not_found
from apps.simulation.exchange.throttle import DEFAULT_COST, ENDPOINT_COSTS

from .call import Call, Reply
from .paging import page

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY_US = 86_400 * 1_000_000
_ALL_DAY = [{"open_time": "00:00", "close_time": "00:00"}]
# The weekly maintenance, 03:00 to 05:00 New York time.
_THURSDAY = [
    {"open_time": "00:00", "close_time": "03:00"},
    {"open_time": "05:00", "close_time": "00:00"},
]
_NAMESPACE = uuid.UUID("5f1c63a0-2f8e-4d0f-9c1b-0d6a7c1f1a11")


def status(call: Call) -> Reply:
    flags = {
        "exchange_active": call.state.exchange_active,
        "trading_active": call.state.trading_active,
        "intra_exchange_transfers_active": call.state.exchange_active,
    }
    used = {e.exchange_index for e in call.state.catalogue.events.values()} | {0}
    shards = [{"exchange_index": i, "description": SHARDS[i]} | flags for i in sorted(used)]
    return 200, flags | {"exchange_index_statuses": shards}


def schedule(call: Call) -> Reply:
    del call
    hours: dict[str, Any] = {day: _THURSDAY if day == "thursday" else _ALL_DAY for day in _DAYS}
    hours |= {"start_time": "2024-12-01T00:00:00Z", "end_time": "2200-12-01T00:00:00Z"}
    return 200, {"schedule": {"standard_hours": [hours], "maintenance_windows": []}}


def limits(call: Call) -> Reply:
    account = call.owner
    return 200, {
        "usage_tier": account.tier,
        "read": {"refill_rate": account.read_bucket.rate, "bucket_capacity": account.read_bucket.capacity},
        "write": {
            "refill_rate": account.write_bucket.rate,
            "bucket_capacity": account.write_bucket.capacity,
        },
        "grants": [],
    }


def endpoint_costs(call: Call) -> Reply:
    del call
    rows = [{"method": m, "path": p, "cost": c} for m, p, c in ENDPOINT_COSTS]
    return 200, {"default_cost": DEFAULT_COST, "endpoint_costs": rows}


def api_keys(call: Call) -> Reply:
    key = {"api_key_id": call.owner.account_id, "name": "simulator", "scopes": ["read", "write"]}
    return 200, {"api_keys": [key]}


def series_list(call: Call) -> Reply:
    category = call.query.text("category")
    rows = [s for s in call.state.catalogue.series.values() if category in (None, s.category)]
    return 200, {"series": [render.series(s) for s in rows]}


def series(call: Call) -> Reply:
    found = call.state.catalogue.series.get(call.parts["series"])
    if found is None:
        raise not_found()
    return 200, {"series": render.series(found)}


def series_fee_changes(call: Call) -> Reply:
    """Those still to come; the fees in force are in the series."""
    rows = [
        {
            "id": c.change_id,
            "series_ticker": c.series_ticker,
            "fee_type": c.fee_type,
            "fee_multiplier": float(c.fee_multiplier or 0),
            "scheduled_ts": rfc3339(c.at_us),
        }
        for c in call.state.fee_changes
        if c.event_ticker is None
    ]
    return 200, {"series_fee_change_arr": rows}


def event_fee_changes(call: Call) -> Reply:
    call.query.limited("limit", 1, 1000, 100)
    rows = [
        {
            "id": c.change_id,
            "event_ticker": c.event_ticker,
            "series_ticker": c.series_ticker,
            "fee_type_override": c.fee_type,
            "fee_multiplier_override": None if c.fee_multiplier is None else float(c.fee_multiplier),
            "scheduled_ts": rfc3339(c.at_us),
        }
        for c in call.state.fee_changes
        if c.event_ticker is not None
    ]
    return 200, {"event_fee_changes": rows, "cursor": ""}


def _event_number(e: Event) -> int:
    return max((m.number for m in e.markets), default=0)


def events(call: Call) -> Reply:
    query = call.query
    limit = query.limited("limit", 1, 200, 200)
    wanted_status = query.one_of("status", STATUS_FILTER)
    series_ticker, tickers = query.text("series_ticker"), query.all("tickers")
    rows = [
        e
        for e in call.state.catalogue.events.values()
        if (series_ticker is None or e.series.ticker == series_ticker)
        and (not tickers or e.event_ticker in tickers)
        and (wanted_status is None or STATUS_FILTER[wanted_status] & render.event_status(e))
    ]
    found, cursor = page(rows, _event_number, limit, query.text("cursor"))
    nested = query.flag("with_nested_markets")
    body: dict[str, Any] = {"cursor": cursor, "events": [render.event(e, nested=nested) for e in found]}
    if query.flag("with_milestones"):
        body["milestones"] = [_milestone(e) for e in found]
    return 200, body


def _find_event(call: Call) -> Event:
    found = call.state.catalogue.events.get(call.parts["ticker"])
    if found is None:
        raise not_found()
    return found


def event(call: Call) -> Reply:
    found = _find_event(call)
    if call.query.flag("with_nested_markets"):
        return 200, {"event": render.event(found, nested=True)}
    markets = [render.market(m) for m in found.markets]
    return 200, {"event": render.event(found, nested=False), "markets": markets}


def event_metadata(call: Call) -> Reply:
    details = [{"market_ticker": m.ticker, "image_url": "", "color_code": "#0088CC"} for m in _find_event(call).markets]
    return 200, {"image_url": "", "market_details": details, "settlement_sources": []}


def _milestone(e: Event) -> dict[str, Any]:
    start = rfc3339(min((m.open_us for m in e.markets), default=0))
    return {
        "id": str(uuid.uuid5(_NAMESPACE, f"milestone {e.event_ticker}")),
        "category": e.series.category,
        "type": "simulated",
        "start_date": start,
        "end_date": None,
        "related_event_tickers": [e.event_ticker],
        "primary_event_tickers": [e.event_ticker],
        "title": e.title,
        "notification_message": "",
        "details": {},
        "last_updated_ts": start,
    }


def milestones(call: Call) -> Reply:
    if call.query.text("limit") is None:
        raise bad_query("GetMilestones", "Limit", "required")
    limit = call.query.limited("limit", 1, 500, 100)
    related = call.query.text("related_event_ticker")
    rows = [e for e in call.state.catalogue.events.values() if related in (None, e.event_ticker)]
    found, cursor = page(rows, _event_number, limit, call.query.text("cursor"))
    return 200, {"cursor": cursor, "milestones": [_milestone(e) for e in found]}


def milestone(call: Call) -> Reply:
    for e in call.state.catalogue.events.values():
        body = _milestone(e)
        if body["id"] == call.parts["id"]:
            return 200, {"milestone": body}
    raise not_found()


def _target(e: Event) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid5(_NAMESPACE, f"target {e.event_ticker}")),
        "name": e.title,
        "type": "simulated",
        "details": {},
        "source_id": e.event_ticker,
        "last_updated_ts": rfc3339(min((m.created_us for m in e.markets), default=0)),
    }


def structured_targets(call: Call) -> Reply:
    size = call.query.limited("page_size", 1, 2000, 100)
    ids = call.query.all("ids")
    rows = [e for e in call.state.catalogue.events.values() if not ids or _target(e)["id"] in ids]
    found, cursor = page(rows, _event_number, size, call.query.text("cursor"))
    return 200, {"cursor": cursor, "structured_targets": [_target(e) for e in found]}


def structured_target(call: Call) -> Reply:
    for e in call.state.catalogue.events.values():
        if _target(e)["id"] == call.parts["id"]:
            return 200, {"structured_target": _target(e)}
    raise not_found()


def _program(m: Market) -> dict[str, Any]:
    """One liquidity program per market: $10 over its life, target size 1,000, discount one half."""
    return {
        "id": str(uuid.uuid5(_NAMESPACE, f"program {m.ticker}")),
        "market_id": m.market_id,
        "market_ticker": m.ticker,
        "incentive_type": "liquidity",
        "incentive_description": "",
        "start_date": rfc3339(m.open_us),
        "end_date": rfc3339(min(m.close_us, m.open_us + 31 * _DAY_US)),
        "period_reward": 100_000,
        "paid_out": False,
        "discount_factor_bps": 5000,
        "target_size_fp": "1000.00",
        "max_reward_per_account": None,
    }


def incentive_programs(call: Call) -> Reply:
    query = call.query
    limit = query.limited("limit", 1, 10_000, 100)
    wanted = query.one_of("status", ("all", "active", "upcoming", "closed", "paid_out")) or "all"
    kind = query.text("type") or "all"
    now = call.now_us
    rows = []
    for m in call.state.catalogue.markets.values():
        state = "upcoming" if now < m.open_us else "active" if now < m.close_us else "closed"
        if kind in ("all", "liquidity") and wanted in ("all", state):
            rows.append(m)
    found, cursor = page(rows, lambda m: m.number, limit, query.text("cursor"))
    return 200, {"incentive_programs": [_program(m) for m in found], "next_cursor": cursor}


def historical_cutoff(call: Call) -> Reply:
    """Nothing here is old enough to have been archived."""
    cutoff = rfc3339(call.now_us - 90 * _DAY_US)
    names = ("market_settled_ts", "trades_created_ts", "orders_updated_ts", "market_positions_last_updated_ts")
    return 200, dict.fromkeys(names, cutoff)


def _empty(key: str, call: Call) -> Reply:
    call.query.limited("limit", 0, 1000, 100)
    return 200, {"cursor": "", key: []}


def historical_markets(call: Call) -> Reply:
    return _empty("markets", call)


def historical_trades(call: Call) -> Reply:
    return _empty("trades", call)


def historical_fills(call: Call) -> Reply:
    return _empty("fills", call)


def historical_orders(call: Call) -> Reply:
    return _empty("orders", call)


def historical_positions(call: Call) -> Reply:
    return _empty("market_positions", call)


def gone(call: Call) -> Reply:
    """Paths the exchange has removed."""
    del call
    raise not_found()
