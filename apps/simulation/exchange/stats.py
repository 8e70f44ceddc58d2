"""What an exchange can say about its clients and that no client could know."""

from __future__ import annotations

from typing import Any

from .accounts import Account
from .exchange import Exchange
from .ws.hub import Hub


def stats(exchange: Exchange, hub: Hub) -> dict[str, Any]:
    """Per key: requests and 429s by bucket, orders, tokens left. 429s that a fault plan gave are not among them."""
    state = exchange.state
    return {
        "now_ms": state.clock.now_us() // 1000,
        "exchange_active": state.exchange_active,
        "trading_active": state.trading_active,
        "sockets": len(hub.connections),
        "faults": dict(exchange.faults.given),
        "socket_faults": dict(exchange.socket_faults.given),
        "keys": {a.account_id: _of_account(exchange, a) for a in state.accounts.values()},
    }


def _of_account(exchange: Exchange, account: Account) -> dict[str, Any]:
    now_us = exchange.state.clock.now_us()
    groups = [g for g in exchange.state.groups.values() if g.account_id == account.account_id]
    shards = {f"write:{i}": b.tokens(now_us) for i, b in account.shard_buckets.items()}
    return {
        "asked": dict(account.meter.asked),
        "refused": dict(account.meter.refused),
        "tokens": {"read": account.read_bucket.tokens(now_us), "write": account.write_bucket.tokens(now_us)} | shards,
        "orders": len(account.orders),
        "resting": len(account.resting),
        "canceled": account.meter.canceled,
        "fills": len(account.fills),
        "groups": len(groups),
        "triggered_groups": sum(g.triggered for g in groups),
    }
