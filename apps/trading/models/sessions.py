from __future__ import annotations

from django.db import models

from apps.trading.choices import Permission, SessionState

from .accounts import Account


class TradingSession(models.Model):
    """One run of the trading loop on an account, and its lease.

    The running session renews `lease_expires_at` each second; whoever finds it past may take over with a higher
    `fencing_token`, and every order is written under the token of the session that decided it.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="sessions")
    fencing_token = models.PositiveBigIntegerField()
    holder = models.CharField(max_length=120, help_text="Host and process that runs it")
    state = models.CharField(max_length=12, choices=SessionState.choices, default=SessionState.STARTING)
    reason = models.TextField(blank=True, help_text="Why it is paused, stopped or failed")
    release = models.CharField(max_length=64)
    started_at = models.DateTimeField()
    lease_expires_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    stop_requested_at = models.DateTimeField(null=True, blank=True)
    opening_cash = models.DecimalField(max_digits=20, decimal_places=6, null=True, blank=True)
    counters = models.JSONField(default=dict, help_text="markets, frames, seq_gaps, decisions, orders, denied, …")

    class Meta:
        ordering = ["-id"]
        permissions = [*Permission.choices]
        constraints = [
            models.UniqueConstraint(fields=["account", "fencing_token"], name="one_session_per_token"),
        ]

    def __str__(self) -> str:
        return f"{self.account} #{self.fencing_token}"
