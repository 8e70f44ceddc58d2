from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.core.append_only import AppendOnlyModel
from apps.governance.choices import WorkStatus

from .proposals import RedesignProposal


class WorkItem(models.Model):
    """Something somebody has promised by a time."""

    proposal = models.ForeignKey(
        RedesignProposal, null=True, blank=True, on_delete=models.PROTECT, related_name="work_items"
    )
    title = models.CharField(max_length=160)
    owners = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="work_items")
    status = models.CharField(max_length=8, choices=WorkStatus.choices, default=WorkStatus.TODO)
    due_at = models.DateTimeField()
    estimate = models.CharField(max_length=60, blank=True, help_text="The time as it was promised, in words")
    depends_on = models.ManyToManyField("self", symmetrical=False, blank=True, related_name="needed_by")
    created_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)
    done_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    overdue_told_at = models.DateTimeField(null=True, blank=True, help_text="When WORK_OVERDUE was raised for it")

    class Meta:
        ordering = ["due_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status=WorkStatus.DONE, done_at__isnull=False, done_by__isnull=False)
                | Q(~Q(status=WorkStatus.DONE), done_at__isnull=True, done_by__isnull=True),
                name="done_says_by_whom_and_when",
            )
        ]

    def __str__(self) -> str:
        return self.title


class Comment(AppendOnlyModel):
    """A remark on any object. A correction is a new remark that points at the one it supplements."""

    object_type = models.CharField(max_length=80)
    object_id = models.CharField(max_length=240)
    text = models.TextField()
    supplements = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="additions")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["object_type", "object_id"], name="comment_object")]

    def __str__(self) -> str:
        return f"{self.author} on {self.object_type} {self.object_id}"
