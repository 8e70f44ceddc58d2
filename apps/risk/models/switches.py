from __future__ import annotations

from django.db import models

from apps.core.append_only import AppendOnlyModel
from apps.risk.choices import Scope, SwitchState


class SwitchStatus(models.Model):
    """What one switch of one account shows now. `value` and `threshold` are texts with their units."""

    account = models.SlugField(max_length=40)
    key = models.CharField(max_length=6)
    state = models.CharField(max_length=10, choices=SwitchState.choices)
    scope = models.CharField(max_length=12, choices=Scope.choices, blank=True)
    scope_id = models.CharField(max_length=160, blank=True)
    value = models.CharField(max_length=120, blank=True)
    threshold = models.CharField(max_length=120, blank=True)
    message = models.TextField(blank=True)
    input_at = models.DateTimeField(null=True, blank=True, help_text="Age of the newest input; empty: no input")
    evaluated_at = models.DateTimeField()
    tripped_at = models.DateTimeField(null=True, blank=True, help_text="Last time it tripped")

    class Meta:
        ordering = ["account", "key"]
        verbose_name_plural = "switch statuses"
        constraints = [models.UniqueConstraint(fields=["account", "key"], name="one_status_per_switch")]

    def __str__(self) -> str:
        return f"{self.account} {self.key}: {self.state}"


class SwitchSetting(models.Model):
    """Thresholds of one switch that differ from the catalogue's."""

    key = models.CharField(max_length=6, unique=True)
    values = models.JSONField(default=dict)
    version = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["key"]

    def __str__(self) -> str:
        return self.key


class SwitchDrill(AppendOnlyModel):
    """One drill of a switch: it tripped when it had to, and did not when it must not."""

    key = models.CharField(max_length=6, db_index=True)
    at = models.DateTimeField()
    passed = models.BooleanField()
    trip_detail = models.TextField()
    control_detail = models.TextField()
    by = models.CharField(max_length=120)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.key} {'passed' if self.passed else 'failed'} {self.at:%Y-%m-%d}"
