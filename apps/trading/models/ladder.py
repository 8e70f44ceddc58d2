"""What the promotion ladder is computed from, beside the facts of trading itself."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.core.append_only import AppendOnlyModel
from apps.governance.models import ApprovalRequest

from .sessions import TradingSession
from .strategies import ParameterSet, StrategyConfig, StrategyVersion


class StrategyRun(models.Model):
    """When a session ran this version with these parameters on at least one market; open ends with the session."""

    session = models.ForeignKey(TradingSession, on_delete=models.PROTECT, related_name="runs")
    config = models.ForeignKey(StrategyConfig, on_delete=models.PROTECT, related_name="runs")
    version = models.ForeignKey(StrategyVersion, on_delete=models.PROTECT, related_name="runs")
    parameters = models.ForeignKey(ParameterSet, on_delete=models.PROTECT, related_name="runs")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["session", "config"], condition=Q(ended_at=None), name="one_open_run_per_config"
            )
        ]

    def __str__(self) -> str:
        return f"{self.version} with {self.parameters}"


class BacktestEvidence(AppendOnlyModel):
    """One finished backtest of a version, written by the backtester; nobody types it."""

    version = models.ForeignKey(StrategyVersion, on_delete=models.PROTECT, related_name="backtests")
    params_hash = models.CharField(max_length=64)
    run_hash = models.CharField(max_length=64, unique=True, help_text="Of code, parameters, data and result")
    data_from = models.DateTimeField()
    data_until = models.DateTimeField()
    is_fee_accurate = models.BooleanField(help_text="Fees are those of the exchange's rules at the time of each fill")
    fills = models.PositiveIntegerField()
    net_bps = models.DecimalField(max_digits=12, decimal_places=4, null=True)
    net_bps_low = models.DecimalField(max_digits=12, decimal_places=4, null=True, help_text="Lower bound, 95 %")
    finished_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "backtest evidence"

    def __str__(self) -> str:
        return f"{self.version}: {self.run_hash[:8]}"


class GateWaiver(AppendOnlyModel):
    """A gate that a person with the right to do so has let stand open, with the reason, for one version."""

    config = models.ForeignKey(StrategyConfig, on_delete=models.PROTECT, related_name="waivers")
    version = models.ForeignKey(StrategyVersion, on_delete=models.PROTECT, related_name="+")
    gate = models.CharField(max_length=30)
    reason = models.TextField()
    approval = models.ForeignKey(ApprovalRequest, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.gate} until {self.expires_at:%Y-%m-%d}"


class ParameterName(models.Model):
    """Every parameter name that ever was. One that is retired, or means something else, is never used again."""

    name = models.CharField(max_length=120, unique=True, help_text="A kernel's field is kernel.field")
    unit = models.CharField(max_length=20)
    first_seen_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
