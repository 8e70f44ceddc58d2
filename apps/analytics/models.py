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
