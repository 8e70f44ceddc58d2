from __future__ import annotations

from django.db import models

from apps.core.fields import PriceField, QuantityField
from apps.marketdata.models import Market
from apps.trading.choices import PlanState

from .accounts import Account
from .orders import SIDES


class LegPlan(models.Model):
    """Orders that only make sense together, and what happens to what filled when they do not all fill."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="plans")
    reason = models.TextField()
    rule = models.JSONField(help_text="Order of sending, time to complete, unwind rule and its price bounds")
    state = models.CharField(max_length=10, choices=PlanState.choices, default=PlanState.PENDING)
    requested_by = models.CharField(max_length=120)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    stop_requested_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    outcome = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"plan {self.pk}: {self.state}"


class PlanLeg(models.Model):
    plan = models.ForeignKey(LegPlan, on_delete=models.PROTECT, related_name="legs")
    ordinal = models.PositiveSmallIntegerField()
    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="plan_legs")
    side = models.CharField(max_length=3, choices=SIDES)
    price = PriceField(help_text="Bound: the worst price it may fill at")
    quantity = QuantityField()
    filled = QuantityField(default=0)
    unwound = QuantityField(default=0)
    state = models.CharField(max_length=12, default="pending")
    client_order_ids = models.JSONField(default=list, blank=True)

    class Meta:
        ordering = ["plan", "ordinal"]
        constraints = [models.UniqueConstraint(fields=["plan", "ordinal"], name="one_leg_per_ordinal")]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} @ {self.price}"
