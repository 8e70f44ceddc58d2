from __future__ import annotations

from django.db import models

from apps.core.append_only import AppendOnlyModel
from apps.governance.choices import Severity


class SystemEvent(AppendOnlyModel):
    """Something the platform noticed and a person may have to act on. `code` is stable, e.g. `DESYNC`."""

    created_at = models.DateTimeField(db_index=True)
    code = models.CharField(max_length=60, db_index=True)
    severity = models.CharField(max_length=8, choices=Severity.choices)
    source = models.CharField(max_length=80)
    message = models.TextField()
    details = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.code} {self.severity}"
