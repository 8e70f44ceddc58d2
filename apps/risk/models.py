from __future__ import annotations

from django.conf import settings
from django.db import models

from .choices import KillOutcome, LimitRule, Permission, Scope, State


class TradingState(models.Model):
    """Whether a scope may trade. A scope without a row is active; the strictest matching row binds."""

    scope = models.CharField(max_length=10, choices=Scope.choices)
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


class RiskLimit(models.Model):
    """One limit of one scope; of all that match an order the tightest binds."""

    scope = models.CharField(max_length=10, choices=Scope.choices)
    scope_id = models.CharField(max_length=160, blank=True)
    rule = models.CharField(max_length=30, choices=LimitRule.choices)
    value = models.DecimalField(max_digits=20, decimal_places=6)
    version = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["scope", "scope_id", "rule"]
        constraints = [models.UniqueConstraint(fields=["scope", "scope_id", "rule"], name="one_limit_per_rule")]

    def __str__(self) -> str:
        return f"{self.get_rule_display()} {self.value.normalize():f} ({self.scope} {self.scope_id})"


class KillRun(models.Model):
    """One use of the kill switch with the time of each step and the proof of zero."""

    scope = models.CharField(max_length=10, choices=Scope.choices)
    scope_id = models.CharField(max_length=160, blank=True)
    reason = models.TextField()
    pressed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT)
    pressed_at = models.DateTimeField()
    blocked_at = models.DateTimeField(null=True, blank=True)
    cancel_sent_at = models.DateTimeField(null=True, blank=True)
    proved_zero_at = models.DateTimeField(null=True, blank=True)
    resting_before = models.PositiveIntegerField(null=True, blank=True)
    canceled = models.PositiveIntegerField(null=True, blank=True)
    outcome = models.CharField(max_length=14, choices=KillOutcome.choices, default=KillOutcome.RUNNING)
    detail = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_scope_display()} {self.pressed_at:%Y-%m-%d %H:%M:%S}"
