from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.risk.choices import LimitRule, Scope


class RiskLimit(models.Model):
    """One limit of one scope; of all that match an order the tightest binds."""

    scope = models.CharField(max_length=12, choices=Scope.choices)
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


class Theme(models.Model):
    """Markets that win and lose together, whatever series they belong to; limits bind on the whole of them."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True)
    members = models.JSONField(default=list, help_text="Tickers of series, events or markets")
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.name


class RestrictedMarket(models.Model):
    """What the firm, or one person, may not trade. Lifted entries stay as evidence."""

    scope = models.CharField(max_length=12, choices=Scope.choices)
    scope_id = models.CharField(max_length=160)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="restrictions",
        help_text="Empty for the whole firm",
    )
    reason = models.TextField()
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    added_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.scope} {self.scope_id}: {self.user or 'firm'}"
