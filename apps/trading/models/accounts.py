from __future__ import annotations

import secrets

from django.db import models

from apps.core.append_only import AppendOnlyModel
from apps.core.fields import MoneyField, PriceField, QuantityField
from apps.marketdata.models import Market
from apps.trading.choices import CashKind, Environment


def new_order_key() -> str:
    """Sets this installation's order ids apart from those of any other that uses the same account."""
    return secrets.token_hex(4)


class Account(models.Model):
    """One account at one venue. Keys are files named in the environment; none is stored here."""

    name = models.SlugField(max_length=40, unique=True)
    venue = models.CharField(max_length=20, default="kalshi")
    environment = models.CharField(max_length=10, choices=Environment.choices)
    is_active = models.BooleanField(default=True)
    order_key = models.CharField(
        max_length=8, default=new_order_key, editable=False, help_text="Begins every client_order_id of this account"
    )
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Position(models.Model):
    """Signed YES contracts (+ YES, - NO), their open cost and what closing has realised, fees apart."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="positions")
    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="positions")
    quantity = QuantityField()
    cost = MoneyField()
    realized_pnl = MoneyField()
    fees = MoneyField()
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["market__ticker"]
        constraints = [models.UniqueConstraint(fields=["account", "market"], name="one_position_per_market")]

    def __str__(self) -> str:
        return f"{self.quantity} {self.market_id}"


class CashEntry(AppendOnlyModel):
    """Every movement of cash with what caused it; the running balance is the sum, to $0.000001."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="cash_entries")
    kind = models.CharField(max_length=12, choices=CashKind.choices)
    reference = models.CharField(max_length=120, help_text="trade_id, market or session that caused it")
    amount = MoneyField()
    balance = MoneyField(help_text="Own cash after this entry")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "cash entries"
        constraints = [
            models.UniqueConstraint(fields=["account", "kind", "reference"], name="one_cash_entry_per_cause")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount}"


class Settlement(AppendOnlyModel):
    """What a position became when its market settled."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="settlements")
    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="settlements")
    result = models.CharField(max_length=10)
    value = PriceField(help_text="Dollars per YES contract")
    quantity = QuantityField(help_text="Signed position at settlement")
    revenue = MoneyField()
    fee = MoneyField()
    settled_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["account", "market"], name="one_settlement_per_market")]

    def __str__(self) -> str:
        return f"{self.market_id} {self.result}"


class Reconciliation(AppendOnlyModel):
    """One comparison of our records with the venue's; a difference names what differs."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="reconciliations")
    at = models.DateTimeField(db_index=True)
    trigger = models.CharField(max_length=20)
    own_cash = MoneyField()
    venue_cash = MoneyField()
    cash_drift = MoneyField(help_text="Venue minus own")
    orders_open = models.PositiveIntegerField()
    orders_unknown = models.PositiveIntegerField()
    position_differences = models.JSONField(default=list)
    order_differences = models.JSONField(default=list)
    missing = models.JSONField(default=list, help_text="What would explain a difference in cash")
    is_clean = models.BooleanField()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S} drift {self.cash_drift}"
