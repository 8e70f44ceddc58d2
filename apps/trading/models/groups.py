from __future__ import annotations

from django.db import models

from .accounts import Account


class OrderGroup(models.Model):
    """One of the exchange's order groups that our resting orders stand in: its brake on us, and our kill handle."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="order_groups")
    venue_group_id = models.CharField(max_length=64)
    exchange_index = models.PositiveSmallIntegerField(default=0)
    slot = models.PositiveSmallIntegerField()
    contracts_limit = models.PositiveIntegerField(help_text="Contracts matched in any 15 seconds")
    is_triggered = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["account", "exchange_index", "slot"]
        constraints = [
            models.UniqueConstraint(fields=["account", "venue_group_id"], name="one_row_per_order_group"),
            models.UniqueConstraint(fields=["account", "exchange_index", "slot"], name="one_group_per_slot"),
        ]

    def __str__(self) -> str:
        return f"{self.account} {self.exchange_index}/{self.slot}"
