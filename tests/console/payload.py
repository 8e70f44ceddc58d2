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


def book() -> dict[str, Any]:
    return {
        "at": NOW.isoformat(),
        "ticker": TICKER,
        "bids": [["0.5700", "5.00", "5.00"], ["0.5600", "10.00", "0.00"]],
        "asks": [["0.6000", "15.00", "0.00"], ["0.6100", "40.00", "0.00"]],
    }


def publish(monkeypatch: pytest.MonkeyPatch, topics: dict[str, Any]) -> dict[str, Any]:
    """Screens read these topics and nothing else; change the returned dict to publish anew."""
    monkeypatch.setattr(live, "read", lambda topic: deepcopy(topics.get(topic)))
    return topics
