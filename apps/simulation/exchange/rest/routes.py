"""Every REST path the exchange answers, with who may call it and what it costs."""

from __future__ import annotations

from apps.simulation.exchange.throttle import CANCEL_COST, ORDER_READ_COST

from . import groups, marketdata, portfolio, reference, trading
from .call import Bucket, Route, Router

_ORDERS = "/portfolio/events/orders"
_OLD = "/portfolio/orders"
_GROUPS = "/portfolio/order_groups"


def _public() -> list[Route]:
    m, r = marketdata, reference
    rows = [
        ("/exchange/status", "GetExchangeStatus", r.status),
        ("/exchange/schedule", "GetExchangeSchedule", r.schedule),
        ("/exchange/announcements", "GetExchangeAnnouncements", r.gone),
        ("/account/endpoint_costs", "GetEndpointCosts", r.endpoint_costs),
        ("/series", "GetSeriesList", r.series_list),
        ("/series/fee_changes", "GetSeriesFeeChanges", r.series_fee_changes),
        ("/series/{series}", "GetSeries", r.series),
        ("/series/{series}/markets/{ticker}/candlesticks", "GetMarketCandlesticks", m.candlesticks),
        ("/series/{series}/events/{ticker}/candlesticks", "GetEventCandlesticks", m.event_candlesticks),
        ("/events", "GetEvents", r.events),
        ("/events/fee_changes", "GetEventFeeChanges", r.event_fee_changes),
        ("/events/{ticker}", "GetEvent", r.event),
        ("/events/{ticker}/metadata", "GetEventMetadata", r.event_metadata),
        ("/markets", "GetMarkets", m.markets),
        ("/markets/orderbooks", "GetMarketOrderbooks", m.orderbooks),
        ("/markets/trades", "GetTrades", m.trades),
        ("/markets/candlesticks", "BatchGetMarketCandlesticks", m.candlesticks_batch),
        ("/markets/{ticker}", "GetMarket", m.market),
        ("/markets/{ticker}/orderbook", "GetMarketOrderbook", m.orderbook),
        ("/milestones", "GetMilestones", r.milestones),
        ("/milestones/{id}", "GetMilestone", r.milestone),
        ("/structured_targets", "GetStructuredTargets", r.structured_targets),
        ("/structured_targets/{id}", "GetStructuredTarget", r.structured_target),
        ("/incentive_programs", "GetIncentives", r.incentive_programs),
        ("/historical/cutoff", "GetHistoricalCutoff", r.historical_cutoff),
        ("/historical/markets", "GetHistoricalMarkets", r.historical_markets),
        ("/historical/markets/{ticker}", "GetHistoricalMarket", r.gone),
        ("/historical/markets/{ticker}/candlesticks", "GetHistoricalCandlesticks", r.gone),
        ("/historical/trades", "GetHistoricalTrades", r.historical_trades),
    ]
    return [Route("GET", path, name, handler, public=True) for path, name, handler in rows]


def _reads() -> list[Route]:
    p, r, g = portfolio, reference, groups
    rows = [
        ("/exchange/user_data_timestamp", "GetUserDataTimestamp", p.user_data_timestamp),
        ("/account/limits", "GetAccountLimits", r.limits),
        ("/api_keys", "GetApiKeys", r.api_keys),
        ("/portfolio/balance", "GetBalance", p.balance),
        (_OLD, "GetOrders", p.orders),
        (f"{_OLD}/queue_positions", "GetOrderQueuePositions", p.queue_positions),
        (f"{_OLD}/{{order_id}}/queue_position", "GetOrderQueuePosition", p.queue_position),
        ("/portfolio/fills", "GetFills", p.fills),
        ("/portfolio/positions", "GetPositions", p.positions),
        ("/portfolio/settlements", "GetSettlements", p.settlements),
        ("/portfolio/summary/total_resting_order_value", "GetRestingOrderValue", p.resting_value),
        (_GROUPS, "GetOrderGroups", g.index),
        (f"{_GROUPS}/{{group_id}}", "GetOrderGroup", g.get),
        ("/historical/fills", "GetHistoricalFills", r.historical_fills),
        ("/historical/orders", "GetHistoricalOrders", r.historical_orders),
        ("/historical/positions", "GetHistoricalPositions", r.historical_positions),
    ]
    single = Route("GET", f"{_OLD}/{{order_id}}", "GetOrder", p.order, cost=ORDER_READ_COST)
    return [*(Route("GET", path, name, handler) for path, name, handler in rows), single]


def _writes() -> list[Route]:
    t, g = trading, groups
    one = f"{_ORDERS}/{{order_id}}"
    group = f"{_GROUPS}/{{group_id}}"
    write = Bucket.WRITE
    return [
        Route("POST", _ORDERS, "CreateOrderV2", t.create, bucket=write, sharded=True),
        Route(
            "POST",
            f"{_ORDERS}/batched",
            "BatchCreateOrdersV2",
            t.create_batch,
            bucket=write,
            cost=t.batch_create_cost,
        ),
        Route("POST", f"{one}/amend", "AmendOrderV2", t.amend, bucket=write, sharded=True),
        Route("POST", f"{one}/decrease", "DecreaseOrderV2", t.decrease, bucket=write, sharded=True),
        Route(
            "DELETE",
            f"{_ORDERS}/batched",
            "BatchCancelOrdersV2",
            t.cancel_batch,
            bucket=write,
            cost=t.batch_cancel_cost,
        ),
        Route("DELETE", one, "CancelOrderV2", t.cancel, bucket=write, cost=CANCEL_COST, sharded=True),
        Route("DELETE", _ORDERS, "CancelAllOrders", t.cancel_everything, bucket=write, cost=CANCEL_COST),
        Route("POST", f"{_GROUPS}/create", "CreateOrderGroup", g.create, bucket=write),
        Route("PUT", f"{group}/trigger", "TriggerOrderGroup", g.trigger, bucket=write),
        Route("PUT", f"{group}/reset", "ResetOrderGroup", g.reset, bucket=write),
        Route("PUT", f"{group}/limit", "UpdateOrderGroupLimit", g.limit, bucket=write),
        Route("DELETE", group, "DeleteOrderGroup", g.delete, bucket=write),
    ]


def _retired() -> list[Route]:
    one = f"{_OLD}/{{order_id}}"
    rows = [
        ("POST", _OLD),
        ("POST", f"{_OLD}/batched"),
        ("DELETE", f"{_OLD}/batched"),
        ("DELETE", one),
        ("POST", f"{one}/amend"),
        ("POST", f"{one}/decrease"),
    ]
    return [Route(m, path, "RetiredOrderWrite", trading.retired, bucket=Bucket.WRITE) for m, path in rows]


ROUTER = Router([*_public(), *_reads(), *_writes(), *_retired()])
