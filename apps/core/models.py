from __future__ import annotations

from django.db import models


class Lease(models.Model):
    """Who may run a long-lived session. `token` rises with every new holder and fences off the one before."""

    name = models.CharField(max_length=80, unique=True)
    holder = models.CharField(max_length=120)
    token = models.PositiveBigIntegerField()
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} #{self.token}"
