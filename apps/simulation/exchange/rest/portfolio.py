"""Portfolio reads, as old as the exchange's read lag (Kalshi docs: portfolio)."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from apps.engine.decimals import format_price, format_quantity
from apps.engine.types import ONE_DOLLAR, Quantity
from apps.simulation.exchange import render
from apps.simulation.exchange.accounts import Holding
from apps.simulation.exchange.clock import rfc3339
from apps.simulation.exchange.markets import MarketStatus
from apps.simulation.exchange.orders import ExchangeFill, Order
from apps.simulation.exchange.readside import AccountView
from apps.simulation.exchange.refusals import not_found

from .bodies import own_subaccount
from .call import Call, Reply
from .paging import page

_CENT = 10_000
_MAX_PAGE = 1000


def _view(call: Call) -> AccountView:
    own_subaccount(call.query.integer("subaccount"), call.query.integer("exchange_index"))
    return call.state.reads.view(call.owner.account_id, call.now_us)


def balance(call: Call) -> Reply:
    view = _view(call)
    cash = view.cash - (view.bound if call.exchange.config.balance_net_of_resting else 0)
    dollars = format_price(cash // 100)
    return 200, {
        "balance": cash // _CENT,
        "balance_dollars": dollars,
        "balance_breakdown": [{"exchange_index": 0, "balance": dollars}],
        "portfolio_value": sum(_worth(call, h) for h in view.holdings.values()) // _CENT,
        "updated_ts": call.now_us // 1_000_000,
    }


def _worth(call: Call, holding: Holding) -> int:
    """Worth at the last price, as the exchange's web page shows it."""
    last = call.state.catalogue.markets[holding.position.ticker].last_price
    return holding.position.value_at(last)


def orders(call: Call) -> Reply:
    query = call.query
    limit = query.limited("limit", 1, _MAX_PAGE, 100)
    status = query.one_of("status", ("resting", "canceled", "executed"))
    ticker, events = query.text("ticker"), query.all("event_ticker")
    low, high = query.integer("min_ts"), query.integer("max_ts")
    view = _view(call)

    def wanted(o: Order) -> bool:
        event = call.state.catalogue.markets[o.ticker].event.event_ticker
        return (
            (status is None or o.status == status)
            and (ticker is None or o.ticker == ticker)
            and (not events or event in events)
            and (low is None or o.created_us >= low * 1_000_000)
            and (high is None or o.created_us <= high * 1_000_000)
        )

    shown = view.resting if status == "resting" else view.orders
    rows, cursor = page([o for o in shown.values() if wanted(o)], lambda o: o.number, limit, query.text("cursor"))
    user_id = call.owner.user_id
    return 200, {"cursor": cursor, "orders": [render.order(o, user_id) for o in rows]}


def order(call: Call) -> Reply:
    found = _view(call).orders.get(call.parts["order_id"])
    if found is None:
        raise not_found()
    return 200, {"order": render.order(found, call.owner.user_id)}


def fills(call: Call) -> Reply:
    query = call.query
    limit = query.limited("limit", 1, _MAX_PAGE, 100)
    tickers, order_id = query.all("ticker"), query.text("order_id")
    low, high = query.integer("min_ts"), query.integer("max_ts")

    def wanted(f: ExchangeFill) -> bool:
        return (
            (not tickers or f.order.ticker in tickers)
            and (order_id is None or f.order.order_id == order_id)
            and (low is None or f.ts_us >= low * 1_000_000)
            and (high is None or f.ts_us <= high * 1_000_000)
        )

    rows, cursor = page([f for f in _view(call).fills if wanted(f)], lambda f: f.number, limit, query.text("cursor"))
    return 200, {"cursor": cursor, "fills": [render.fill(f) for f in rows]}


def positions(call: Call) -> Reply:
    query = call.query
    limit = query.limited("limit", 1, _MAX_PAGE, 100)
    ticker, event = query.text("ticker"), query.text("event_ticker")
    scope = query.one_of("settlement_status", ("unsettled", "settled", "all")) or "unsettled"
    nonzero = query.all("count_filter")
    markets = call.state.catalogue.markets

    def wanted(h: Holding) -> bool:
        market = markets[h.position.ticker]
        settled = market.status is MarketStatus.FINALIZED
        return (
            (ticker is None or market.ticker == ticker)
            and (event is None or market.event.event_ticker == event)
            and (scope == "all" or settled == (scope == "settled"))
            and ("position" not in nonzero or h.position.quantity != 0)
            and ("total_traded" not in nonzero or h.traded != 0)
        )

    rows, cursor = page(
        [h for h in _view(call).holdings.values() if wanted(h)],
        lambda h: markets[h.position.ticker].number,
        limit,
        query.text("cursor"),
    )
    net = call.exchange.config.realized_pnl_net_of_fees
    by_event: defaultdict[str, list[Holding]] = defaultdict(list)
    for h in rows:
        by_event[markets[h.position.ticker].event.event_ticker].append(h)
    return 200, {
        "cursor": cursor,
        "market_positions": [
            render.position(h, markets[h.position.ticker].exchange_index, net_of_fees=net) for h in rows
        ],
        "event_positions": [render.event_position(e, held, net_of_fees=net) for e, held in by_event.items()],
    }


def settlements(call: Call) -> Reply:
    query = call.query
    limit = query.limited("limit", 1, _MAX_PAGE, 100)
    ticker, event = query.text("ticker"), query.text("event_ticker")
    low, high = query.integer("min_ts"), query.integer("max_ts")
    rows = [
        s
        for s in _view(call).settlements
        if (ticker is None or s.ticker == ticker)
        and (event is None or s.event_ticker == event)
        and (low is None or s.ts_us >= low * 1_000_000)
        and (high is None or s.ts_us <= high * 1_000_000)
    ]
    found, cursor = page(rows, lambda s: s.number, limit, query.text("cursor"))
    return 200, {"cursor": cursor, "settlements": [render.settlement(s) for s in found]}


def _ahead(call: Call, order: Order) -> Quantity | None:
    if order.rest is None:
        return None
    return call.state.catalogue.markets[order.ticker].book.queue_position(order.rest)


def queue_positions(call: Call) -> Reply:
    tickers, event = call.query.all("market_tickers"), call.query.text("event_ticker")
    rows: list[dict[str, Any]] = []
    for o in call.owner.resting.values():
        ahead = _ahead(call, o)
        in_event = call.state.catalogue.markets[o.ticker].event.event_ticker == event
        if ahead is not None and (o.ticker in tickers or in_event or not (tickers or event)):
            rows.append(
                {
                    "order_id": o.order_id,
                    "market_ticker": o.ticker,
                    "queue_position_fp": format_quantity(ahead),
                }
            )
    return 200, {"queue_positions": rows}


def queue_position(call: Call) -> Reply:
    found = call.owner.resting.get(call.parts["order_id"])
    ahead = None if found is None else _ahead(call, found)
    if ahead is None:
        raise not_found()
    return 200, {"queue_position_fp": format_quantity(ahead)}


def resting_value(call: Call) -> Reply:
    """Cost of all resting orders, at their own prices on the leg they buy."""
    total = sum(
        o.remaining * (o.price if o.side.sign > 0 else ONE_DOLLAR - o.price) for o in _view(call).resting.values()
    )
    return 200, {
        "total_resting_order_value": total // _CENT,
        "resting_order_value_breakdown": [{"exchange_index": 0, "total_resting_order_value": total // _CENT}],
    }


def user_data_timestamp(call: Call) -> Reply:
    return 200, {"as_of_time": rfc3339(call.now_us - call.state.reads.lag_us)}
