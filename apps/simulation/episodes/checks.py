"""The end of an episode: our records against the exchange's, which are the truth."""

from __future__ import annotations

from collections.abc import Iterable

from apps.engine.decimals import format_money, money_from_decimal, price_from_decimal, quantity_from_decimal
from apps.engine.orders import OPEN_STATUSES, OrderStatus
from apps.governance.models import SystemEvent
from apps.simulation.exchange.accounts import Account as ExchangeAccount
from apps.simulation.exchange.orders import Order as ExchangeOrder
from apps.simulation.exchange.orders import OrderStatus as ExchangeStatus
from apps.trading.models import Account, Fill, Order, Position
from apps.trading.services.ledger import ledger_cash

from .world import World

# What our word for an order may be, by the exchange's. A refused post-only order leaves a canceled row there.
_AGREES: dict[ExchangeStatus, frozenset[str]] = {
    ExchangeStatus.RESTING: frozenset({OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED}),
    ExchangeStatus.EXECUTED: frozenset({OrderStatus.FILLED}),
    ExchangeStatus.CANCELED: frozenset({OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REJECTED}),
}

NEVER = ("SETTLEMENT_DIFFERS", "SETTLEMENT_UNCLEAR", "UNKNOWN_MARKET")
"""Events that say that our money and the exchange's differ, which here they never do."""
FOUND_S = 13.0
"""Two comparisons and what the exchange's reads lag: until then an ended order must be known to have ended."""
DISOWNED_S = 26.0
"""An order the exchange does not know is given up after three comparisons."""


def check_end(world: World) -> list[str]:
    """Everything that is not as it must be once the faults are over and every session has stopped."""
    account, theirs = world.trading_account, world.account
    rows = {row.client_order_id: row for row in Order.objects.filter(account=account)}
    problems = [
        *_orders(rows, theirs.orders.values()),
        *_without_counterpart(rows, {o.client_order_id for o in theirs.orders.values()}),
        *_fills(account, theirs),
        *_positions(account, theirs),
        *_cash(account, theirs),
    ]
    if theirs.resting:
        problems.append(f"{len(theirs.resting)} orders rest after the stop")
    problems += [f"{event.code}: {event.message}" for event in SystemEvent.objects.filter(code__in=NEVER)]
    if created := world.exchange.money_put_in():
        problems.append(f"the exchange's books are off by {format_money(created)}")
    return problems


def check_calm(world: World, *, is_patient: bool) -> list[str]:
    """Before the stop, after the calm: no row of ours says for long (at all, unless patient) that an order is open
    which is not."""
    ended = {
        o.client_order_id: o.updated_us / 1e6
        for o in world.account.orders.values()
        if o.status is not ExchangeStatus.RESTING
    }
    resting = {o.client_order_id for o in world.account.resting.values()}
    now_s = world.clock.now_us() / 1e6
    problems = []
    for row in Order.objects.filter(account=world.trading_account, status__in=OPEN_STATUSES):
        name = row.client_order_id
        if name in ended:
            late_s = now_s - ended[name] - (FOUND_S if is_patient else 0)
        elif name in resting:
            continue
        else:
            late_s = now_s - row.created_at.timestamp() - (DISOWNED_S if is_patient else 0)
        if late_s > 0:
            problems.append(f"order {name} is still {row.status} in our records and rests nowhere")
    return problems


def _orders(rows: dict[str, Order], theirs: Iterable[ExchangeOrder]) -> Iterable[str]:
    named: set[str] = set()
    for order in theirs:
        name = order.client_order_id
        if name in named:
            yield f"order {name} exists twice at the exchange"
        named.add(name)
        row = rows.get(name)
        if row is None:
            yield f"order {name} of the exchange is not in our records"
            continue
        if row.status not in _AGREES[order.status] or (row.status == OrderStatus.REJECTED and order.filled):
            yield f"order {name} is {row.status} here and {order.status} ({order.reason}) there"
        if quantity_from_decimal(row.filled) != order.filled:
            yield f"order {name} has filled {row.filled} here and {order.filled} there"
        if row.venue_order_id not in (order.order_id, None):
            yield f"order {name} is {row.venue_order_id} here and {order.order_id} there"


def _without_counterpart(rows: dict[str, Order], theirs: set[str]) -> Iterable[str]:
    """What never reached the exchange must not be thought of as open or filled."""
    for name, row in rows.items():
        if name not in theirs and (row.status in OPEN_STATUSES or row.filled):
            yield f"order {name} is {row.status} here and unknown to the exchange"


def _fills(account: Account, theirs: ExchangeAccount) -> Iterable[str]:
    ours = {row.trade_id: row for row in Fill.objects.filter(account=account).select_related("order", "market")}
    for fill in theirs.fills:
        row = ours.pop(fill.trade_id, None)
        if row is None:
            yield f"fill {fill.trade_id} of order {fill.order.client_order_id} was lost"
            continue
        same = (
            quantity_from_decimal(row.quantity) == fill.quantity
            and price_from_decimal(row.price) == fill.price
            and money_from_decimal(row.fee) == fill.fee
            and row.side == fill.order.side.value
            and row.market.ticker == fill.order.ticker
        )
        if not same:
            yield f"fill {fill.trade_id} differs from the exchange's"
        if row.order is None or row.order.client_order_id != fill.order.client_order_id:
            yield f"fill {fill.trade_id} is not booked on its order {fill.order.client_order_id}"
    for trade_id in ours:
        yield f"fill {trade_id} never happened"


def _positions(account: Account, theirs: ExchangeAccount) -> Iterable[str]:
    rows = Position.objects.filter(account=account).select_related("market")
    ours = {row.market.ticker: quantity_from_decimal(row.quantity) for row in rows}
    held = {ticker: holding.position.quantity for ticker, holding in theirs.holdings.items()}
    for ticker in sorted(ours.keys() | held.keys()):
        if ours.get(ticker, 0) != held.get(ticker, 0):
            yield f"position in {ticker} is {ours.get(ticker, 0)} here and {held.get(ticker, 0)} there"


def _cash(account: Account, theirs: ExchangeAccount) -> Iterable[str]:
    own = ledger_cash(account_id=account.pk)
    if own != theirs.cash:
        yield f"cash is {format_money(own)} here and {format_money(theirs.cash)} there"
