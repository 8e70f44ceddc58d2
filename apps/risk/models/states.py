from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.risk.choices import Permission, Scope, State


class TradingState(models.Model):
    """Whether a scope may trade. A scope without a row is active; the strictest matching row binds."""

    scope = models.CharField(max_length=12, choices=Scope.choices)
    scope_id = models.CharField(max_length=160, blank=True, help_text="Empty for everything")
    state = models.CharField(max_length=10, choices=State.choices)
    reason = models.TextField()
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT)
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ["scope", "scope_id"]
        permissions = [*Permission.choices]
        constraints = [models.UniqueConstraint(fields=["scope", "scope_id"], name="one_state_per_scope")]

    def __str__(self) -> str:
        return f"{self.get_scope_display()} {self.scope_id}: {self.state}"
