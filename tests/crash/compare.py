"""What must be so when a killed session's successor has come to its end: our records are the exchange's, once each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from apps.engine.decimals import money_from_decimal, price_from_decimal, quantity_from_decimal
from apps.engine.orders import OPEN_STATUSES, OrderStatus
from apps.governance.choices import Severity
from apps.governance.models import SystemEvent
from apps.risk.choices import State
from apps.risk.models import TradingState
from apps.trading.models import (
    Account,
    CashEntry,
    Fill,
    Order,
    OrderEvent,
    OrderGroup,
    Position,
    Reconciliation,
    Settlement,
    TradingSession,
)
from apps.trading.services.ledger import ledger_cash

MAX_GROUPS = 10
NEVER_THERE = (OrderStatus.REJECTED, OrderStatus.DENIED, OrderStatus.CANCELED)


def problems(exchange: dict[str, Any]) -> list[str]:
    """Every difference between the database and what the exchange wrote down at its end; none is what is wanted."""
    return [
        *_orders(exchange),
        *_doubled(exchange),
        *_groups(exchange),
        *_fills(exchange),
        *_money(exchange),
        *_settlements(exchange),
        *_history(),
    ]


def _orders(exchange: dict[str, Any]) -> Iterator[str]:
    if exchange["resting"]:
        yield f"orders rest after the stop: {exchange['resting']}"
    rows = {row.venue_order_id: row for row in Order.objects.all() if row.venue_order_id}
    by_client = {row.client_order_id: row for row in Order.objects.all()}
    theirs = {order["order_id"]: order for order in exchange["orders"]}
    for order in exchange["orders"]:
        row = rows.get(order["order_id"]) or by_client.get(order["first_client_order_id"])
        if row is None:
            yield f"order {order['order_id']} at the exchange is not in our records"
        elif quantity_from_decimal(row.filled) != order["filled"]:
            yield f"{row.client_order_id}: {row.filled} filled, at the exchange {order['filled'] / 100}"
        elif row.status not in _allowed(order):
            yield f"{row.client_order_id} is {row.status}, at the exchange {order['status']} ({order['filled']} filled)"
        elif row.venue_order_id != order["order_id"] and row.status != OrderStatus.REJECTED:
            yield f"{row.client_order_id} does not know its order {order['order_id']}"
    for row in by_client.values():
        if row.status in OPEN_STATUSES:
            yield f"{row.client_order_id} is left {row.status}"
        elif row.venue_order_id is None and row.status not in NEVER_THERE:
            yield f"{row.client_order_id} is {row.status} and has no order at the exchange"
        elif row.venue_order_id is not None and row.venue_order_id not in theirs:
            yield f"{row.client_order_id} names an order that the exchange does not have"


def _allowed(order: dict[str, Any]) -> set[str]:
    if order["status"] == "executed":
        return {OrderStatus.FILLED}
    return {OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED}


def _doubled(exchange: dict[str, Any]) -> Iterator[str]:
    """One intent, one order: no client id twice, and never two of ours at once on one side of a market."""
    ids = Counter(order["first_client_order_id"] for order in exchange["orders"])
    yield from (f"client id {name} was used {n} times" for name, n in ids.items() if n > 1)
    known = Counter(Order.objects.exclude(venue_order_id=None).values_list("venue_order_id", flat=True))
    yield from (f"order {name} has {n} rows" for name, n in known.items() if n > 1)
    orders = sorted(exchange["orders"], key=lambda o: o["created_us"])
    for number, first in enumerate(orders):
        for second in orders[number + 1 :]:
            same = (first["ticker"], first["side"]) == (second["ticker"], second["side"])
            if same and second["created_us"] < first["ended_us"] and first["created_us"] != first["ended_us"]:
                yield f"two orders at once: {first['client_order_id']} and {second['client_order_id']}"


def _groups(exchange: dict[str, Any]) -> Iterator[str]:
    """Every order stands in a group of ours, and a kill has no more than ten of them to trigger."""
    ours = set(OrderGroup.objects.values_list("venue_group_id", flat=True))
    if len(exchange["groups"]) > MAX_GROUPS:
        yield f"{len(exchange['groups'])} order groups at the exchange"
    if strange := set(exchange["groups"]) - ours:
        yield f"{len(strange)} order groups at the exchange that we do not know"
    for order in exchange["orders"]:
        if order["group"] not in exchange["groups"]:
            yield f"order {order['client_order_id']} stands in no group"


def _fills(exchange: dict[str, Any]) -> Iterator[str]:
    ours = {
        (f.trade_id, price_from_decimal(f.price), quantity_from_decimal(f.quantity), money_from_decimal(f.fee),
         f.order.venue_order_id if f.order else None)
        for f in Fill.objects.select_related("order")
    }  # fmt: skip
    theirs = {(f["trade_id"], f["price"], f["quantity"], f["fee"], f["order_id"]) for f in exchange["fills"]}
    yield from (f"fill {fill} is not in our records" for fill in sorted(theirs - ours, key=str))
    yield from (f"fill {fill} is not the exchange's" for fill in sorted(ours - theirs, key=str))
    if Fill.objects.count() != len(exchange["fills"]):
        yield f"{Fill.objects.count()} fills, at the exchange {len(exchange['fills'])}"


def _money(exchange: dict[str, Any]) -> Iterator[str]:
    if exchange["conserved"]:
        yield f"the exchange's own money does not add up: {exchange['conserved']}"
    account = Account.objects.get()
    cash = ledger_cash(account_id=account.pk)
    if cash != exchange["cash"]:
        yield f"cash is {cash}, at the exchange {exchange['cash']}"
    balance = 0
    for entry in CashEntry.objects.order_by("id"):
        balance += money_from_decimal(entry.amount)
        if balance != money_from_decimal(entry.balance):
            yield f"the balance after cash entry {entry.pk} is {entry.balance}, the sum {balance}"
    ours = {p.market.ticker: quantity_from_decimal(p.quantity) for p in Position.objects.select_related("market")}
    ours = {ticker: quantity for ticker, quantity in ours.items() if quantity}
    if ours != exchange["positions"]:
        yield f"positions are {ours}, at the exchange {exchange['positions']}"


def _settlements(exchange: dict[str, Any]) -> Iterator[str]:
    ours = sorted(Settlement.objects.values_list("market__ticker", flat=True))
    if ours != exchange["settled"]:
        yield f"settled are {ours}, at the exchange {exchange['settled']}"
    entries = CashEntry.objects.filter(kind="settlement").count()
    if entries != len(ours):
        yield f"{entries} cash entries for {len(ours)} settlements"


def _history() -> Iterator[str]:
    """How it went is on record: the killed session as failed, the last one as stopped after a clean comparison."""
    sessions = list(TradingSession.objects.order_by("id"))
    *killed, last = sessions
    yield from (f"killed session {s.pk} is {s.state}" for s in killed if s.state not in ("failed", "stopped"))
    if last.state != "stopped":
        yield f"the last session is {last.state}: {last.reason}"
    tokens = [s.fencing_token for s in sessions]
    if sorted(set(tokens)) != tokens:
        yield f"fencing tokens do not rise: {tokens}"
    compared = Reconciliation.objects.order_by("id").last()
    if compared is None or not compared.is_clean:
        yield "the last comparison was not clean"
    alarms = SystemEvent.objects.filter(severity=Severity.CRITICAL).values_list("code", "message")
    yield from (f"alarm {code}: {message}" for code, message in alarms)
    for order in Order.objects.all():
        last_event = OrderEvent.objects.filter(order=order).order_by("id").last()
        if last_event is None or last_event.status != order.status:
            yield f"{order.client_order_id} is {order.status}, its last event says otherwise"


def end_state(exchange: dict[str, Any]) -> dict[str, Any]:
    """What must be equal whether or not anybody was killed on the way."""
    return {
        "cash": exchange["cash"],
        "positions": exchange["positions"],
        "settled": exchange["settled"],
        "filled": sum(fill["quantity"] for fill in exchange["fills"]),
        "halted": TradingState.objects.filter(state=State.HALTED).exists(),
    }
