from __future__ import annotations

from datetime import datetime

from django.db import models

from apps.core.append_only import AppendOnlyModel
from apps.core.fields import PriceField, QuantityField

from .choices import FeedState


class Series(models.Model):
    """Template of events. `fee_type` is an open set of the exchange's; an unknown one blocks trading."""

    ticker = models.CharField(max_length=80, unique=True)
    title = models.CharField(max_length=300)
    category = models.CharField(max_length=80, blank=True, db_index=True)
    frequency = models.CharField(max_length=40, blank=True)
    fee_type = models.CharField(max_length=60)
    fee_multiplier = models.DecimalField(max_digits=12, decimal_places=6)
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["ticker"]
        verbose_name_plural = "series"

    def __str__(self) -> str:
        return self.ticker


class Event(models.Model):
    ticker = models.CharField(max_length=120, unique=True)
    series = models.ForeignKey(Series, on_delete=models.PROTECT, related_name="events")
    title = models.CharField(max_length=300)
    mutually_exclusive = models.BooleanField()
    fee_type_override = models.CharField(max_length=60, null=True, blank=True)
    fee_multiplier_override = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["ticker"]

    def __str__(self) -> str:
        return self.ticker


class MarketQuerySet(models.QuerySet):
    def open_at(self, at: datetime) -> MarketQuerySet:
        """Markets that take orders at this time; a closing that has passed counts before the exchange says so."""
        return self.filter(status="active", open_at__lte=at, close_at__gt=at)


class Market(models.Model):
    """One yes/no question. `price_ranges` is the exchange's own list and the only source of the grid."""

    ticker = models.CharField(max_length=160, unique=True)
    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="markets")
    title = models.CharField(max_length=300, blank=True)
    status = models.CharField(max_length=20, db_index=True)
    open_at = models.DateTimeField()
    close_at = models.DateTimeField(db_index=True)
    price_level_structure = models.CharField(max_length=60, blank=True)
    price_ranges = models.JSONField()
    result = models.CharField(max_length=10, blank=True)
    settlement_value = PriceField(null=True, blank=True)
    exchange_index = models.PositiveSmallIntegerField(null=True, blank=True)
    fee_waiver_until = models.DateTimeField(null=True, blank=True)
    volume = QuantityField(null=True, blank=True)
    open_interest = QuantityField(null=True, blank=True)
    updated_at = models.DateTimeField()

    objects = MarketQuerySet.as_manager()

    class Meta:
        ordering = ["ticker"]

    def __str__(self) -> str:
        return self.ticker


class BookSnapshot(AppendOnlyModel):
    """The book of a market at one moment, sampled; the full history is in the recordings."""

    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="book_snapshots")
    received_at = models.DateTimeField(db_index=True)
    best_bid = PriceField(null=True, blank=True)
    best_ask = PriceField(null=True, blank=True)
    bids = models.JSONField(help_text="[[price, contracts], …], best first, decimal strings")
    asks = models.JSONField(help_text="[[price, contracts], …], best first, decimal strings")

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["market", "-received_at"])]

    def __str__(self) -> str:
        return f"{self.best_bid}/{self.best_ask}"


class PublicTrade(AppendOnlyModel):
    """A trade the exchange published."""

    trade_id = models.CharField(max_length=64, unique=True)
    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="trades")
    price = PriceField()
    quantity = QuantityField()
    taker_side = models.CharField(max_length=4, help_text="bid bought YES, ask sold YES")
    traded_at = models.DateTimeField(db_index=True)
    received_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.quantity} @ {self.price}"


class Feed(models.Model):
    """One connection we depend on. Age counts from the last frame of the connection, not of a market."""

    name = models.CharField(max_length=60, unique=True)
    source = models.CharField(max_length=200)
    state = models.CharField(max_length=12, choices=FeedState.choices, default=FeedState.OFF)
    reason = models.TextField(blank=True)
    connected_at = models.DateTimeField(null=True, blank=True)
    last_frame_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField()
    reconnects = models.PositiveIntegerField(default=0)
    frames = models.PositiveBigIntegerField(default=0)
    sequence_gaps = models.PositiveIntegerField(default=0)
    refused_frames = models.PositiveIntegerField(default=0)
    unknown_messages = models.PositiveIntegerField(default=0)
    unknown_fields = models.PositiveIntegerField(default=0)
    stale_after_s = models.PositiveIntegerField(default=15)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Recording(models.Model):
    """One compressed file of raw frames with receive times, enough to replay what a session saw."""

    path = models.CharField(max_length=400, unique=True)
    source = models.CharField(max_length=200)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    frames = models.PositiveBigIntegerField(default=0)
    bytes = models.PositiveBigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True, help_text="Of the closed file; empty while it is written")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.path
