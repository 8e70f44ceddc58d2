from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from apps.governance.choices import Direction, ReviewKind

from .approvals import ApprovalRequest
from .audit import AuditEvent


class SignoffRule(models.Model):
    """Signatures that matching changes need on top of the built-in ones; made and retired by signed requests only."""

    action = models.CharField(max_length=80, help_text="An action or a pattern of them, e.g. risk.limit.*")
    environment = models.CharField(max_length=12, blank=True, help_text="Empty for every one")
    direction = models.CharField(max_length=10, blank=True, choices=Direction.choices, help_text="Empty for every one")
    needs = models.JSONField(help_text='Role to number of signatures, e.g. {"boss": 1, "risk": 1}')
    approval = models.OneToOneField(ApprovalRequest, on_delete=models.PROTECT, related_name="signoff_rule")
    put_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["action", "environment", "direction", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["action", "environment", "direction"],
                condition=Q(retired_at=None),
                name="one_rule_in_force_per_key",
            )
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def key(self) -> str:
        return f"{self.action}:{self.environment}:{self.direction}"


class ReviewItem(models.Model):
    """Something one person did alone, as they may, that another person looks at within a day."""

    kind = models.CharField(max_length=10, choices=ReviewKind.choices)
    what = models.CharField(max_length=300)
    object_type = models.CharField(max_length=80)
    object_id = models.CharField(max_length=240)
    request = models.OneToOneField(
        ApprovalRequest, null=True, blank=True, on_delete=models.PROTECT, related_name="review_item"
    )
    audit = models.OneToOneField(AuditEvent, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField()
    due_at = models.DateTimeField()
    overdue_told_at = models.DateTimeField(null=True, blank=True, help_text="When REVIEW_OVERDUE was raised for it")
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    reviewed_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(reviewed_by=None) | ~Q(reviewed_by=F("opened_by")), name="reviewer_is_another_person"
            ),
            models.CheckConstraint(
                condition=Q(reviewed_by=None, reviewed_at=None)
                | Q(reviewed_by__isnull=False, reviewed_at__isnull=False),
                name="review_says_by_whom_and_when",
            ),
        ]

    def __str__(self) -> str:
        return self.what
