"""Account bodies (Kalshi docs: portfolio, orders, order groups, account limits, exchange status)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field

from apps.engine.decimals import parse_price
from apps.engine.errors import BadNumber
from apps.engine.ports import (
    AmendAck,
    CancelAck,
    DecreaseAck,
    OrderAck,
    VenueBalance,
    VenueGroup,
    VenueOrder,
    VenuePosition,
    VenueSettlement,
    VenueStatus,
)
from apps.engine.types import Fill
from apps.gateway.errors import BadField, MissingField
from apps.gateway.kalshi.fields import (
    DollarMoney,
    DollarPrice,
    Millis,
    Name,
    SignedQuantity,
    Size,
    Time,
    TradePrice,
    book_side,
    millis,
)

_CENT_PRICE = 100
_CENT_MONEY = 10_000


def _plain(size: Size | None) -> int | None:
    return None if size is None else int(size)


class Order(Struct, frozen=True):
    """An order as read back. Direction comes from `book_side` alone."""

    order_id: Name
    ticker: Name
    book_side: str
    status: str
    yes_price: DollarPrice = field(name="yes_price_dollars")
    initial_count: Size = field(name="initial_count_fp")
    fill_count: Size = field(name="fill_count_fp")
    remaining_count: Size = field(name="remaining_count_fp")
    maker_fees: DollarMoney = field(name="maker_fees_dollars")
    taker_fees: DollarMoney = field(name="taker_fees_dollars")
    client_order_id: str = ""
    created_time: Time | None = None
    last_update_time: Time | None = None
    last_update_reason: str | None = None
    order_group_id: str | None = None
    exchange_index: int | None = None
    expiration_time: Time | None = None

    def to_engine(self) -> VenueOrder:
        changed = self.last_update_time or self.created_time
        return VenueOrder(
            order_id=self.order_id,
            client_order_id=self.client_order_id,
            ticker=self.ticker,
            side=book_side(self.book_side),
            price=int(self.yes_price),
            initial=int(self.initial_count),
            filled=int(self.fill_count),
            remaining=int(self.remaining_count),
            status=self.status,
            maker_fees=int(self.maker_fees),
            taker_fees=int(self.taker_fees),
            last_update_reason=self.last_update_reason,
            ts_ms=None if changed is None else millis(changed),
            expires_at_s=None if self.expiration_time is None else millis(self.expiration_time) // 1000,
            group_id=self.order_group_id or None,
        )


class RestFill(Struct, frozen=True):
    """A fill as read back; it carries no client_order_id, join by order_id."""

    trade_id: Name
    order_id: Name
    ticker: Name
    book_side: str
    count: Size = field(name="count_fp")
    yes_price: TradePrice = field(name="yes_price_dollars")
    is_taker: bool
    fee_cost: DollarMoney
    created_time: Time | None = None
    ts: Millis | None = None
    exchange_index: int | None = None

    def to_engine(self) -> Fill:
        """Raises `MissingField` when the fill has no time at all."""
        if self.created_time is not None:
            ts_ms = millis(self.created_time)
        elif self.ts is not None:
            ts_ms = self.ts * 1000
        else:
            raise MissingField(f"fill {self.trade_id} has neither created_time nor ts")
        return Fill(
            trade_id=self.trade_id,
            order_id=self.order_id,
            ticker=self.ticker,
            side=book_side(self.book_side),
            price=int(self.yes_price),
            quantity=int(self.count),
            fee=int(self.fee_cost),
            is_taker=self.is_taker,
            ts_ms=ts_ms,
        )


class Position(Struct, frozen=True):
    ticker: Name
    position: SignedQuantity = field(name="position_fp")
    market_exposure: DollarMoney | None = field(name="market_exposure_dollars", default=None)
    realized_pnl: DollarMoney | None = field(name="realized_pnl_dollars", default=None)
    fees_paid: DollarMoney | None = field(name="fees_paid_dollars", default=None)
    total_traded: DollarMoney | None = field(name="total_traded_dollars", default=None)
    last_updated_ts: Time | None = None
    exchange_index: int | None = None

    def to_engine(self) -> VenuePosition:
        return VenuePosition(self.ticker, int(self.position), self.market_exposure, self.realized_pnl, self.fees_paid)


class Settlement(Struct, frozen=True):
    """`revenue` and `value` are whole cents, the other amounts dollar strings."""

    ticker: Name
    event_ticker: Name
    market_result: str
    yes_count: Size = field(name="yes_count_fp")
    no_count: Size = field(name="no_count_fp")
    yes_total_cost: DollarMoney = field(name="yes_total_cost_dollars")
    no_total_cost: DollarMoney = field(name="no_total_cost_dollars")
    revenue: int
    fee_cost: DollarMoney
    settled_time: Time
    value: int | None = None
    exchange_index: int | None = None

    def to_engine(self) -> VenueSettlement:
        """Raises `BadField` when `value` is no price."""
        if self.value is not None and not 0 <= self.value <= 100:
            raise BadField(f"settlement of {self.ticker}: value {self.value} cents")
        return VenueSettlement(
            ticker=self.ticker,
            result=self.market_result,
            value=None if self.value is None else self.value * _CENT_PRICE,
            revenue=self.revenue * _CENT_MONEY,
            fee=int(self.fee_cost),
            settled_ms=millis(self.settled_time),
        )


class ShardBalance(Struct, frozen=True):
    exchange_index: int
    balance: DollarMoney


class Balance(Struct, frozen=True):
    """`balance_dollars` is exact; the sibling `balance` is truncated to cents and not read."""

    balance_dollars: DollarMoney
    portfolio_value: int | None = None
    updated_ts: int | None = None
    balance_breakdown: tuple[ShardBalance, ...] = ()

    def to_engine(self) -> VenueBalance:
        return VenueBalance(int(self.balance_dollars), None if self.updated_ts is None else self.updated_ts * 1000)


class ItemError(Struct, frozen=True):
    code: str = ""
    message: str = ""
    details: str = ""


class OrderReply(Struct, frozen=True):
    """Answer to create. The averages are per contract and only there when something filled."""

    order_id: Name
    fill_count: Size
    remaining_count: Size
    ts_ms: Millis
    client_order_id: str | None = None
    average_fill_price: str | None = None
    average_fee_paid: str | None = None

    def to_engine(self, client_order_id: str) -> OrderAck:
        """The average price stays None where it is finer than $0.0001; fills carry the exact prices."""
        average = None
        if self.average_fill_price is not None:
            try:
                average = parse_price(self.average_fill_price)
            except BadNumber:
                average = None
        return OrderAck(
            self.order_id, client_order_id, int(self.fill_count), int(self.remaining_count), self.ts_ms, average
        )


class AmendReply(Struct, frozen=True):
    """Answer to amend; the counts may be left out."""

    order_id: Name
    ts_ms: Millis
    client_order_id: str | None = None
    remaining_count: Size | None = None
    fill_count: Size | None = None

    def to_engine(self) -> AmendAck:
        return AmendAck(self.order_id, _plain(self.fill_count), _plain(self.remaining_count), self.ts_ms)


class DecreaseReply(Struct, frozen=True):
    order_id: Name
    remaining_count: Size
    ts_ms: Millis
    client_order_id: str | None = None

    def to_engine(self) -> DecreaseAck:
        return DecreaseAck(self.order_id, int(self.remaining_count), self.ts_ms)


class CancelReply(Struct, frozen=True):
    order_id: Name
    reduced_by: Size
    ts_ms: Millis | None = None
    client_order_id: str | None = None

    def to_engine(self) -> CancelAck:
        return CancelAck(self.order_id, int(self.reduced_by), self.ts_ms)


class BatchCreateItem(Struct, frozen=True):
    """Result of one order of a batch, in request order: either `order_id` or `error`."""

    order_id: str | None = None
    client_order_id: str | None = None
    fill_count: Size | None = None
    remaining_count: Size | None = None
    ts_ms: Millis | None = None
    error: ItemError | None = None


class BatchCancelItem(Struct, frozen=True):
    order_id: str | None = None
    client_order_id: str | None = None
    reduced_by: Size | None = None
    ts_ms: Millis | None = None
    error: ItemError | None = None


class OrderGroup(Struct, frozen=True):
    """`is_auto_cancel_enabled` is true from the trigger until the reset (seen on the venue's demo)."""

    id: Name
    is_auto_cancel_enabled: bool | None = None
    contracts_limit: Size | None = field(name="contracts_limit_fp", default=None)
    exchange_index: int | None = None

    def to_engine(self) -> VenueGroup:
        shard = self.exchange_index or 0
        return VenueGroup(self.id, _plain(self.contracts_limit), self.is_auto_cancel_enabled, shard)


class OrderGroupDetail(Struct, frozen=True):
    is_auto_cancel_enabled: bool
    orders: tuple[str, ...] = ()
    contracts_limit: Size | None = field(name="contracts_limit_fp", default=None)
    exchange_index: int | None = None


class OrderGroupCreated(Struct, frozen=True):
    order_group_id: Name
    exchange_index: int | None = None


class QueuePosition(Struct, frozen=True):
    """Contracts ahead of the order; 0 is first."""

    order_id: Name
    market_ticker: Name
    queue_position: Size = field(name="queue_position_fp")


class OneQueuePosition(Struct, frozen=True):
    queue_position: Size = field(name="queue_position_fp")


class BucketLimit(Struct, frozen=True):
    refill_rate: int
    bucket_capacity: int


class AccountLimits(Struct, frozen=True):
    usage_tier: str
    read: BucketLimit
    write: BucketLimit
    grants: tuple[dict[str, Any], ...] | None = None


class EndpointCost(Struct, frozen=True):
    method: str
    path: str
    cost: int


class EndpointCosts(Struct, frozen=True):
    default_cost: int
    endpoint_costs: tuple[EndpointCost, ...]


class ShardStatus(Struct, frozen=True):
    exchange_index: int
    exchange_active: bool
    trading_active: bool
    description: str = ""


class ExchangeStatus(Struct, frozen=True):
    """Also sent with 5xx during an outage. The top level speaks for shard 0."""

    exchange_active: bool
    trading_active: bool
    exchange_estimated_resume_time: Time | None = None
    exchange_index_statuses: tuple[ShardStatus, ...] | None = None

    def to_engine(self) -> VenueStatus:
        """Active only where every shard is."""
        shards = self.exchange_index_statuses or ()
        resumes = self.exchange_estimated_resume_time
        return VenueStatus(
            is_exchange_active=self.exchange_active and all(s.exchange_active for s in shards),
            is_trading_active=self.trading_active and all(s.trading_active for s in shards),
            resumes_at_ms=None if resumes is None else millis(resumes),
        )


class DayHours(Struct, frozen=True):
    """`HH:MM` in US Eastern time."""

    open_time: str
    close_time: str


class WeekHours(Struct, frozen=True):
    start_time: Time
    end_time: Time
    monday: tuple[DayHours, ...] = ()
    tuesday: tuple[DayHours, ...] = ()
    wednesday: tuple[DayHours, ...] = ()
    thursday: tuple[DayHours, ...] = ()
    friday: tuple[DayHours, ...] = ()
    saturday: tuple[DayHours, ...] = ()
    sunday: tuple[DayHours, ...] = ()


class MaintenanceWindow(Struct, frozen=True):
    start_datetime: Time
    end_datetime: Time


class ExchangeSchedule(Struct, frozen=True):
    standard_hours: tuple[WeekHours, ...]
    maintenance_windows: tuple[MaintenanceWindow, ...] = ()


class UserDataTimestamp(Struct, frozen=True):
    """How old the venue's answers about balance, orders, fills and positions are."""

    as_of_time: Time


class HistoricalCutoff(Struct, frozen=True):
    """Older rows have moved to the historical endpoints; each bound is independent."""

    market_settled_ts: Time | None = None
    trades_created_ts: Time | None = None
    orders_updated_ts: Time | None = None
    market_positions_last_updated_ts: Time | None = None
