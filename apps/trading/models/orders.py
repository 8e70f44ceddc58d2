from __future__ import annotations

from django.db import models

from apps.core.append_only import AppendOnlyModel
from apps.core.fields import MoneyField, PriceField, QuantityField
from apps.marketdata.models import Market
from apps.trading.choices import EventSource, ExecutionMode, OrderStatus

from .accounts import Account
from .sessions import TradingSession
from .strategies import ParameterSet, StrategyConfig

SIDES = [("bid", "Buy YES"), ("ask", "Sell YES")]


class Decision(AppendOnlyModel):
    """What the strategy saw and why it did or did not quote.

    A new row is written whenever the outcome changes. While it stays the same, evaluations within a tenth of a
    second share a row: it shows the newest inputs, and `evaluations` counts them.
    """

    session = models.ForeignKey(TradingSession, on_delete=models.PROTECT, related_name="decisions")
    config = models.ForeignKey(StrategyConfig, on_delete=models.PROTECT)
    parameters = models.ForeignKey(ParameterSet, on_delete=models.PROTECT)
    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="decisions")
    at = models.DateTimeField(db_index=True)
    trigger = models.CharField(max_length=10, help_text="frame, timer, fill, params")
    best_bid = PriceField(null=True, blank=True, help_text="Of the book without our own orders")
    best_ask = PriceField(null=True, blank=True, help_text="Of the book without our own orders")
    best_bid_size = QuantityField(null=True, blank=True)
    best_ask_size = QuantityField(null=True, blank=True)
    position = QuantityField()
    evaluations = models.PositiveIntegerField(default=1)
    reason = models.CharField(max_length=30, db_index=True)
    bid_reason = models.CharField(max_length=30)
    ask_reason = models.CharField(max_length=30)
    bid_price = PriceField(null=True, blank=True, help_text="Wanted")
    bid_quantity = QuantityField(null=True, blank=True)
    ask_price = PriceField(null=True, blank=True, help_text="Wanted")
    ask_quantity = QuantityField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["market", "-at"])]

    def __str__(self) -> str:
        return f"{self.reason} {self.at:%H:%M:%S}"


class Order(models.Model):
    """An intent and what became of it. The row is committed before anything is sent."""

    client_order_id = models.CharField(max_length=64, unique=True)
    venue_order_id = models.CharField(max_length=64, null=True, blank=True, db_index=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="orders")
    session = models.ForeignKey(TradingSession, on_delete=models.PROTECT, related_name="orders")
    config = models.ForeignKey(
        StrategyConfig, null=True, blank=True, on_delete=models.PROTECT, related_name="orders",
        help_text="Empty for an order that a person placed",
    )  # fmt: skip
    parameters = models.ForeignKey(ParameterSet, null=True, blank=True, on_delete=models.PROTECT)
    decision = models.ForeignKey(Decision, null=True, blank=True, on_delete=models.PROTECT)
    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="orders")
    side = models.CharField(max_length=3, choices=SIDES)
    price = PriceField()
    quantity = QuantityField()
    filled = QuantityField()
    remaining = QuantityField()
    status = models.CharField(max_length=16, choices=OrderStatus.choices, db_index=True)
    time_in_force = models.CharField(max_length=20)
    post_only = models.BooleanField()
    expires_at = models.DateTimeField(null=True, blank=True, help_text="At the exchange; renewed while it is wanted")
    order_group = models.CharField(max_length=64, blank=True, help_text="The exchange's order group it stands in")
    mode = models.CharField(max_length=8, choices=ExecutionMode.choices, default=ExecutionMode.MAKER)
    queue_ahead = QuantityField(null=True, blank=True, help_text="Contracts ahead of it when last asked")
    reason = models.CharField(max_length=30, help_text="Why the strategy wanted it")
    best_bid = PriceField(null=True, blank=True, help_text="Without our own orders, when it was decided")
    best_ask = PriceField(null=True, blank=True, help_text="Without our own orders, when it was decided")
    outcome = models.CharField(max_length=200, blank=True, help_text="Why it was denied, rejected or canceled")
    created_at = models.DateTimeField(db_index=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["account", "status"])]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} @ {self.price}"


class OrderEvent(AppendOnlyModel):
    """One thing that happened to an order; the order's status is what these add up to."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="events")
    at = models.DateTimeField()
    kind = models.CharField(max_length=20)
    source = models.CharField(max_length=12, choices=EventSource.choices)
    status = models.CharField(max_length=16, choices=OrderStatus.choices, help_text="After this event")
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} -> {self.status}"


class Fill(AppendOnlyModel):
    """One execution, written once per trade_id. `predicted_fee` is our own; a difference raises an event."""

    trade_id = models.CharField(max_length=64)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="fills")
    order = models.ForeignKey(Order, null=True, blank=True, on_delete=models.PROTECT, related_name="fills")
    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="fills")
    side = models.CharField(max_length=3, choices=SIDES)
    price = PriceField()
    quantity = QuantityField()
    fee = MoneyField()
    predicted_fee = MoneyField(null=True, blank=True)
    is_taker = models.BooleanField()
    source = models.CharField(max_length=12, choices=EventSource.choices)
    filled_at = models.DateTimeField(db_index=True)
    received_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["account", "trade_id"], name="one_fill_per_trade")]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} @ {self.price}"


class LiquidityInterval(AppendOnlyModel):
    """A short stretch of time with orders of ours resting, as time-weighted means over the stretch.

    Spreads are in dollars, null where a side of the book was empty (a stretch never mixes the two); dollars are
    price x contracts for bids and (1 - price) x contracts for asks.
    """

    session = models.ForeignKey(TradingSession, on_delete=models.PROTECT, related_name="liquidity")
    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="liquidity")
    started_at = models.DateTimeField(db_index=True)
    ended_at = models.DateTimeField()
    bid_dollars = MoneyField()
    ask_dollars = MoneyField()
    spread_with = models.DecimalField(max_digits=12, decimal_places=8, null=True, blank=True)
    spread_without = models.DecimalField(max_digits=12, decimal_places=8, null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.market_id} {self.started_at:%H:%M:%S}"
