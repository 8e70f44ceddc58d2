from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.risk.choices import KillOutcome, Scope


class KillRun(models.Model):
    """One use of the kill switch with the time of each step and the proof of zero."""

    scope = models.CharField(max_length=12, choices=Scope.choices)
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
    request_id = models.CharField(
        max_length=40, unique=True, null=True, blank=True, help_text="The same stop asked for over several ways"
    )
    source = models.CharField(max_length=20, default="page", help_text="page, command, guardian, switch")
    taken_at = models.DateTimeField(null=True, blank=True, help_text="When a guardian or command began the ladder")
    triggered_at = models.DateTimeField(null=True, blank=True, help_text="Every order group had answered")
    groups_total = models.PositiveIntegerField(null=True, blank=True)
    groups_triggered = models.PositiveIntegerField(null=True, blank=True)
    steps = models.JSONField(default=list, blank=True, help_text="What happened when, in order")
    positions_left = models.JSONField(default=list, blank=True)
    report = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_scope_display()} {self.pressed_at:%Y-%m-%d %H:%M:%S}"
