from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.core.append_only import AppendOnlyModel


class MetricExport(AppendOnlyModel):
    """A CSV that left the platform: what it covered, who took it, and the hash of its bytes."""

    name = models.CharField(max_length=60)
    window_start = models.DateTimeField()
    window_end = models.DateTimeField()
    rows = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.name} {self.window_end:%Y-%m-%d}"


class LiquidityCheckRun(AppendOnlyModel):
    """One run of `verify_liquidity`: the verdict of each check with what it rests on."""

    ran_at = models.DateTimeField(db_index=True)
    seconds = models.DecimalField(max_digits=8, decimal_places=3)
    environment = models.CharField(max_length=10)
    release = models.CharField(max_length=64)
    ran_by = models.CharField(max_length=150)
    errors = models.PositiveIntegerField()
    warnings = models.PositiveIntegerField()
    not_checked = models.PositiveIntegerField(help_text="Counted among the warnings")
    results = models.JSONField(help_text="[{number, title, outcome, detail, facts}, …]")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.ran_at:%Y-%m-%d %H:%M} {self.verdict}"

    @property
    def verdict(self) -> str:
        if self.errors:
            return "not acceptable"
        return "acceptable with warnings" if self.warnings else "acceptable"
