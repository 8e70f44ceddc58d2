from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.core.fields import PriceField, QuantityField
from apps.marketdata.models import Market
from apps.trading.choices import RequestState

from .accounts import Account
from .orders import SIDES, Order


class OrderRequest(models.Model):
    """An order that a person asks for; the session sends it through the same gate as every other."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="order_requests")
    market = models.ForeignKey(Market, on_delete=models.PROTECT, related_name="order_requests")
    side = models.CharField(max_length=3, choices=SIDES)
    price = PriceField()
    quantity = QuantityField()
    time_in_force = models.CharField(max_length=20)
    post_only = models.BooleanField(default=False)
    reduce_only = models.BooleanField(default=False)
    reason = models.TextField()
    no_inside_information = models.BooleanField(help_text="The person confirms to know nothing that is not public")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="order_requests")
    requested_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=RequestState.choices, default=RequestState.PENDING)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    order = models.OneToOneField(Order, null=True, blank=True, on_delete=models.PROTECT, related_name="request")
    outcome = models.CharField(max_length=300, blank=True)
    handled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(no_inside_information=True), name="order_request_is_attested")
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} @ {self.price}"
