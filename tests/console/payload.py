"""What a trading session publishes, for the tests."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.core import live
from tests.factories import NOW

TICKER = "KXTEST-26NOV20-T50"
QUIET = "KXQUIET-26NOV20-T1"
ORDER = {
    "client_order_id": "own-1",
    "venue_order_id": "venue-1",
    "ticker": TICKER,
    "side": "bid",
    "price": "0.5700",
    "quantity": "10.00",
    "filled": "5.00",
    "remaining": "5.00",
    "status": "partially_filled",
    "created_at": NOW.isoformat(),
    "reason": "joined_inside",
    "mode": "maker",
    "expires_at": (NOW + timedelta(seconds=41)).isoformat(),
    "queue_ahead": "120.00",
    "is_amending": False,
}
FILL = {
    "trade_id": "trade-1",
    "ticker": TICKER,
    "side": "bid",
    "price": "0.5700",
    "quantity": "5.00",
    "fee": "0.017500",
    "is_taker": False,
    "filled_at": NOW.isoformat(),
}


def market(ticker: str = TICKER, **fields: Any) -> dict[str, Any]:
    at = NOW.isoformat()
    return {
        "ticker": ticker,
        "title": "Will it be above 50?",
        "status": "active",
        "best_bid": "0.5600",
        "best_ask": "0.6000",
        "bid_size": "10.00",
        "ask_size": "15.00",
        "spread": "0.0400",
        "last_price": "0.5700",
        "is_quotable": True,
        "unquotable_reason": None,
        "book_at": at,
        "position": "-12.00",
        "own_bid": {"price": "0.5700", "remaining": "5.00"},
        "own_ask": None,
        "decision": {"reason": "joined_inside", "bid_reason": "keep", "ask_reason": "position_at_maximum", "at": at},
        "close_at": (NOW + timedelta(hours=1)).isoformat(),
    } | fields


def mission(**fields: Any) -> dict[str, Any]:
    at = NOW.isoformat()
    idle = {
        "own_bid": None,
        "position": "0.00",
        "decision": {"reason": "spread_below_minimum", "bid_reason": "", "ask_reason": "", "at": at},
    }
    return {
        "at": at,
        "account": "main",
        "environment": "simulated",
        "release": "test",
        "session": {
            "id": 1,
            "state": "running",
            "reason": "",
            "fencing_token": 3,
            "started_at": at,
            "counters": {"frames": 123, "decisions": 50, "orders": 10, "seq_gaps": 0},
        },
        "trading_state": {"state": "active", "reason": ""},
        "gate": {"closed_because": None, "blocks": []},
        "guardian": {"age_ms": 400},
        "exchange": {"is_exchange_active": True, "is_trading_active": True, "resumes_at": None},
        "feed": {
            "state": "live",
            "last_frame_at": at,
            "reconnects": 0,
            "sequence_gaps": 0,
            "refused_frames": 0,
            "reason": "",
        },
        "cash": {
            "opening": "10000.000000",
            "own": "9990.500000",
            "venue": "9990.500001",
            "venue_at": at,
            "drift": "0.000001",
            "at": at,
        },
        "pnl": {"realized": "1.000000", "unrealized": "-2.500000", "fees": "0.250000", "exposure": "120.000000"},
        "markets": [market(QUIET, **idle), market()],
        "orders": [ORDER],
        "fills": [FILL],
    } | fields


def of_now() -> dict[str, Any]:
    """The same, of this moment, for pages whose clock cannot be held."""
    at = datetime.now(UTC).isoformat()
    state = mission(at=at)
    state["cash"] |= {"at": at, "venue_at": at}
    state["feed"]["last_frame_at"] = at
    return state


def topics_of_now() -> dict[str, Any]:
    return {"mission": of_now(), "risk": risk(at=datetime.now(UTC).isoformat())}


def book() -> dict[str, Any]:
    return {
        "at": NOW.isoformat(),
        "ticker": TICKER,
        "bids": [["0.5700", "5.00", "5.00"], ["0.5600", "10.00", "0.00"]],
        "asks": [["0.6000", "15.00", "0.00"], ["0.6100", "40.00", "0.00"]],
    }


def rule(
    rule: str, unit: str, limit: str, used: str | None = None, room: str | None = None, ppm: int | None = None
) -> dict[str, Any]:
    return {"rule": rule, "unit": unit, "limit": limit, "used": used, "room": room, "ppm": ppm}


def node(level: str, which: str, depth: int, *rules: dict[str, Any], **use: Any) -> dict[str, Any]:
    used = {"dollars": "120.000000", "contracts": "60.00", "orders": 30}
    return {"level": level, "id": which, "depth": depth, "rules": list(rules)} | used | use


def risk(**fields: Any) -> dict[str, Any]:
    """A tree of six nodes: the theme is the tightest, at 96 %, and one market is quiet."""
    exposure = rule("max_total_exposure", "money", "2000.000000", "120.000000", "1880.000000", 60_000)
    nav = rule("max_nav_share", "share", "15.0000", "14.4000", "0.6000", 960_000)
    most = rule("max_contracts_per_market", "quantity", "30.00", "12.00", "18.00", 400_000)
    each = rule("max_order_dollars", "money", "500.000000")
    quiet = {"dollars": "0.000000", "contracts": "0.00", "orders": 0}
    return {
        "at": NOW.isoformat(),
        "account": "main",
        "nav": "833.330000",
        "nodes": [
            node("global", "", 0),
            node("environment", "simulated", 1),
            node("account", "main", 2, exposure, each),
            node("theme", "crypto", 3, nav),
            node("market", TICKER, 4, most),
            node("market", QUIET, 4, **quiet),
        ],
        "nodes_left_out": 0,
    } | fields


def publish(monkeypatch: pytest.MonkeyPatch, topics: dict[str, Any]) -> dict[str, Any]:
    """Screens read these topics and nothing else; change the returned dict to publish anew."""
    monkeypatch.setattr(live, "read", lambda topic: deepcopy(topics.get(topic)))
    return topics
