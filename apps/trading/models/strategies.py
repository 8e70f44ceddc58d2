from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.governance.models import ApprovalRequest
from apps.trading.choices import ParameterStatus, Rung

from .accounts import Account


class Strategy(models.Model):
    """A named way to trade; `kernel` is its slug in the engine's registry."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    kernel = models.CharField(max_length=60)
    description = models.TextField()

    class Meta:
        ordering = ["slug"]
        verbose_name_plural = "strategies"

    def __str__(self) -> str:
        return self.name


class StrategyVersion(models.Model):
    """The decision code, by hash. A session refuses code whose hash is not the configured one, and outside the
    simulator code that nobody has reviewed.

    `scope` and `execution_styles` are what the review covers; both empty until then.
    """

    strategy = models.ForeignKey(Strategy, on_delete=models.PROTECT, related_name="versions")
    code_hash = models.CharField(max_length=64)
    schema_hash = models.CharField(max_length=64, blank=True, help_text="Names, units and bounds of its parameters")
    scope = models.JSONField(default=list, blank=True, help_text="Series, event or market tickers it was reviewed for")
    execution_styles = models.JSONField(default=list, blank=True, help_text="maker, hybrid, sniper: as reviewed")
    created_at = models.DateTimeField()
    notes = models.TextField(blank=True)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    reviewed_at = models.DateTimeField(null=True, blank=True)
    approval = models.ForeignKey(ApprovalRequest, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["strategy", "code_hash"], name="one_version_per_hash"),
            models.CheckConstraint(
                condition=Q(reviewed_at=None, reviewed_by=None, approval=None)
                | Q(reviewed_at__isnull=False, reviewed_by__isnull=False, approval__isnull=False),
                name="a_review_has_a_reviewer_and_a_request",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.strategy} {self.code_hash[:8]}"

    @property
    def is_reviewed(self) -> bool:
        return self.reviewed_at is not None


class StrategyConfig(models.Model):
    """A strategy version armed on an account for a set of markets, with the parameters it runs.

    `rung` and `approval` are of its last arming: the rung of the promotion ladder, and the request that was signed.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="strategy_configs")
    version = models.ForeignKey(StrategyVersion, on_delete=models.PROTECT, related_name="configs")
    markets = models.JSONField(
        default=list, help_text="Series or market tickers in scope; a series covers all of its open markets"
    )
    max_markets = models.PositiveIntegerField(default=50)
    is_enabled = models.BooleanField(default=False)
    rung = models.CharField(max_length=12, choices=Rung.choices, blank=True)
    approval = models.ForeignKey(ApprovalRequest, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["account", "version"], name="one_config_per_version")]

    def __str__(self) -> str:
        return f"{self.version.strategy} on {self.account}"


class ParameterSet(models.Model):
    """Numbered, hashed parameters of a config. The approved one with the highest number is in force.

    The hash covers `values`, `overrides` and `stored`; see `services.parameter_sets`.
    """

    config = models.ForeignKey(StrategyConfig, on_delete=models.PROTECT, related_name="parameter_sets")
    number = models.PositiveIntegerField()
    values = models.JSONField(help_text="Parameter name to decimal string, as the engine's schema wants them")
    overrides = models.JSONField(default=dict, blank=True, help_text="Category to what differs in it")
    stored = models.JSONField(default=dict, blank=True, help_text="Catalog names that no kernel reads yet")
    params_hash = models.CharField(max_length=64)
    status = models.CharField(max_length=10, choices=ParameterStatus.choices)
    approval = models.ForeignKey(ApprovalRequest, null=True, blank=True, on_delete=models.PROTECT)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["config", "number"], name="one_parameter_set_per_number"),
            models.UniqueConstraint(
                fields=["config"], condition=Q(status=ParameterStatus.FALLBACK), name="one_fallback_per_config"
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.number} {self.params_hash[:8]}"
