"""Plain functions that make valid rows; every field can be overridden by keyword."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Group, Permission, User

from apps.core.stepup import FreshFactor
from apps.engine.strategies.params import params_hash, params_to_mapping
from apps.engine.strategies.registry import STRATEGIES
from apps.marketdata.models import BookSnapshot, Event, Feed, Market, Series
from apps.trading.models import (
    Account,
    CashEntry,
    Decision,
    Fill,
    LiquidityInterval,
    Order,
    OrderEvent,
    ParameterSet,
    Position,
    Strategy,
    StrategyConfig,
    StrategyVersion,
    TradingSession,
)

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PASSWORD = "correct horse battery"
KERNEL = "maker_inside"
_numbers = itertools.count(1)


def user(name: str = "alice", *, perms: tuple[str, ...] = (), sees: bool = True, role: str = "", **fields: Any) -> User:
    """A member of staff who may look at everything, unless not `sees`; `perms` ("app.codename") come on top.

    `role` is the group whose signature theirs is; the group itself gives no rights here.
    """
    made = User.objects.create_user(name, password=PASSWORD, **({"is_staff": True} | fields))
    if role:
        made.groups.add(Group.objects.get_or_create(name=role)[0])
    for perm in (*perms, *(("governance.see_everything",) if sees else ())):
        app, codename = perm.split(".")
        made.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return made


def fresh_factor(person: User, now: datetime = NOW) -> FreshFactor:
    """The second factor, shown this very moment."""
    return FreshFactor(person.pk, now, "totp")


def account(name: str = "main", **fields: Any) -> Account:
    found = Account.objects.filter(name=name).first()
    return found or Account.objects.create(name=name, **({"environment": "simulated", "created_at": NOW} | fields))


def series(ticker: str = "KXTEST", **fields: Any) -> Series:
    defaults = {"title": "Test series", "fee_type": "quadratic", "fee_multiplier": Decimal(1), "updated_at": NOW}
    return Series.objects.get_or_create(ticker=ticker, defaults=defaults | fields)[0]


def event(ticker: str = "KXTEST-26NOV20", **fields: Any) -> Event:
    values = {"title": "Test event", "mutually_exclusive": False, "updated_at": NOW} | fields
    values.setdefault("series", series() if "series" not in fields else None)
    return Event.objects.get_or_create(ticker=ticker, defaults=values)[0]


def market(ticker: str = "KXTEST-26NOV20-T50", **fields: Any) -> Market:
    defaults = {
        "title": f"Will it be above 50? ({ticker})",
        "status": "active",
        "open_at": NOW - timedelta(days=1),
        "close_at": NOW + timedelta(days=1),
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
        "updated_at": NOW,
    }
    values = defaults | fields
    if "event" not in values:
        values["event"] = event()
    return Market.objects.get_or_create(ticker=ticker, defaults=values)[0]


def book_snapshot(on: Market | None = None, **fields: Any) -> BookSnapshot:
    defaults = {
        "received_at": NOW,
        "best_bid": Decimal("0.56"),
        "best_ask": Decimal("0.60"),
        "bids": [["0.5600", "10.00"], ["0.5500", "20.00"]],
        "asks": [["0.6000", "15.00"], ["0.6100", "25.00"]],
    }
    return BookSnapshot.objects.create(market=on or market(), **(defaults | fields))


def feed(name: str = "kalshi", **fields: Any) -> Feed:
    defaults = {"source": "simulator", "state": "live", "last_frame_at": NOW, "updated_at": NOW}
    return Feed.objects.create(name=name, **(defaults | fields))


def config(on: Account | None = None, **fields: Any) -> StrategyConfig:
    """The first strategy armed on the account."""
    kernel = STRATEGIES[KERNEL]
    strategy, _ = Strategy.objects.get_or_create(
        slug="maker-inside", defaults={"name": kernel.title, "kernel": KERNEL, "description": "Rests inside"}
    )
    version, _ = StrategyVersion.objects.get_or_create(
        strategy=strategy, code_hash=kernel.code_hash, defaults={"created_at": NOW}
    )
    defaults = {"markets": ["KXTEST"], "is_enabled": True, "updated_at": NOW}
    return StrategyConfig.objects.get_or_create(account=on or account(), version=version, defaults=defaults | fields)[0]


def parameters(on: StrategyConfig | None = None, **fields: Any) -> ParameterSet:
    """Number 1, approved, the kernel's defaults."""
    params = STRATEGIES[KERNEL].params_type()
    defaults = {
        "values": params_to_mapping(params),
        "params_hash": params_hash(params),
        "status": "approved",
        "created_at": NOW,
    }
    return ParameterSet.objects.get_or_create(
        config=on or config(), number=fields.pop("number", 1), defaults=defaults | fields
    )[0]


def session(on: Account | None = None, **fields: Any) -> TradingSession:
    defaults = {
        "fencing_token": next(_numbers),
        "holder": "host:1",
        "state": "running",
        "release": "test",
        "started_at": NOW - timedelta(hours=1),
        "lease_expires_at": NOW + timedelta(seconds=5),
        "heartbeat_at": NOW,
        "opening_cash": Decimal("10000.000000"),
    }
    return TradingSession.objects.create(account=on or account(), **(defaults | fields))


def decision(on: TradingSession | None = None, **fields: Any) -> Decision:
    run = on or session()
    armed = fields.get("config") or config(run.account)
    defaults = {
        "config": armed,
        "parameters": fields.get("parameters") or parameters(armed),
        "market": fields.get("market") or market(),
        "at": NOW,
        "trigger": "frame",
        "best_bid": Decimal("0.56"),
        "best_ask": Decimal("0.60"),
        "best_bid_size": Decimal("10"),
        "best_ask_size": Decimal("15"),
        "position": Decimal(0),
        "reason": "joined_inside",
        "bid_reason": "joined_inside",
        "ask_reason": "joined_inside",
        "bid_price": Decimal("0.57"),
        "bid_quantity": Decimal("10"),
        "ask_price": Decimal("0.59"),
        "ask_quantity": Decimal("10"),
    }
    return Decision.objects.create(session=run, **(defaults | fields))


def order(on: TradingSession | None = None, **fields: Any) -> Order:
    """A resting bid of 10 at 0.57 unless told otherwise."""
    run = on or session()
    number = next(_numbers)
    armed = fields.get("config") or config(run.account)
    quantity = Decimal(fields.get("quantity", 10))
    filled = Decimal(fields.get("filled", 0))
    defaults = {
        "client_order_id": f"own-{number}",
        "venue_order_id": f"venue-{number}",
        "account": run.account,
        "config": armed,
        "parameters": fields.get("parameters") or parameters(armed),
        "market": fields.get("market") or market(),
        "side": "bid",
        "price": Decimal("0.57"),
        "quantity": quantity,
        "filled": filled,
        "remaining": quantity - filled,
        "status": "accepted",
        "time_in_force": "good_till_canceled",
        "post_only": True,
        "reason": "joined_inside",
        "created_at": NOW,
        "accepted_at": NOW,
    }
    return Order.objects.create(session=run, **(defaults | fields))


def order_event(on: Order, **fields: Any) -> OrderEvent:
    defaults = {"at": NOW, "kind": "accept", "source": "ack", "status": on.status}
    return OrderEvent.objects.create(order=on, **(defaults | fields))


def fill(on: Order | None = None, **fields: Any) -> Fill:
    """A maker fill of 5 contracts of the order."""
    filled = on or order()
    defaults = {
        "trade_id": f"trade-{next(_numbers)}",
        "account": filled.account,
        "order": filled,
        "market": filled.market,
        "side": filled.side,
        "price": filled.price,
        "quantity": Decimal(5),
        "fee": Decimal("0.020000"),
        "is_taker": False,
        "source": "private_feed",
        "filled_at": NOW,
        "received_at": NOW,
    }
    return Fill.objects.create(**(defaults | fields))


def position(on: Account | None = None, **fields: Any) -> Position:
    defaults = {
        "quantity": Decimal(5),
        "cost": Decimal("2.850000"),
        "realized_pnl": Decimal(0),
        "fees": Decimal("0.020000"),
        "updated_at": NOW,
    }
    values = defaults | fields
    values["market"] = fields.get("market") or market()
    return Position.objects.create(account=on or account(), **values)


def cash_entry(on: Account | None = None, **fields: Any) -> CashEntry:
    defaults = {
        "kind": "opening",
        "reference": f"session-{next(_numbers)}",
        "amount": Decimal(10_000),
        "balance": Decimal(10_000),
        "at": NOW,
    }
    return CashEntry.objects.create(account=on or account(), **(defaults | fields))


def liquidity(on: TradingSession | None = None, **fields: Any) -> LiquidityInterval:
    defaults = {
        "started_at": NOW - timedelta(seconds=10),
        "ended_at": NOW,
        "bid_dollars": Decimal("5.70"),
        "ask_dollars": Decimal("4.10"),
        "spread_with": Decimal("0.02"),
        "spread_without": Decimal("0.04"),
    }
    values = defaults | fields
    values["market"] = fields.get("market") or market()
    return LiquidityInterval.objects.create(session=on or session(), **values)
