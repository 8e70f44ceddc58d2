from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from apps.core.append_only import AppendOnlyModel

from .choices import ApprovalStatus, Permission, Severity, Vote


class AuditEvent(AppendOnlyModel):
    """Who did what to which object, and why; written in the transaction of the change itself."""

    created_at = models.DateTimeField(db_index=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT)
    actor_label = models.CharField(max_length=150)
    action = models.CharField(max_length=80, db_index=True)
    object_type = models.CharField(max_length=80)
    object_id = models.CharField(max_length=240)
    before = models.JSONField(null=True, blank=True)
    after = models.JSONField(null=True, blank=True)
    reason = models.TextField(blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    release = models.CharField(max_length=64)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["object_type", "object_id"])]

    def __str__(self) -> str:
        return f"{self.action} {self.object_type} {self.object_id}"


class ApprovalRequest(models.Model):
    """A change that waits for a second person. The digest covers exactly what would be applied."""

    action = models.CharField(max_length=80)
    target_type = models.CharField(max_length=80)
    target_id = models.CharField(max_length=240)
    payload = models.JSONField()
    current = models.JSONField(help_text="The values this request would replace, as they were when it was made")
    digest = models.CharField(max_length=64)
    reason = models.TextField()
    status = models.CharField(max_length=12, choices=ApprovalStatus.choices, default=ApprovalStatus.OPEN)
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        permissions = [*Permission.choices]
        constraints = [
            models.UniqueConstraint(
                fields=["action", "target_type", "target_id"],
                condition=Q(status=ApprovalStatus.OPEN),
                name="one_open_request_per_target",
            )
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target_id}"


class ApprovalVote(AppendOnlyModel):
    """One person's decision on one request; the database itself refuses the requester's own vote."""

    request = models.ForeignKey(ApprovalRequest, on_delete=models.PROTECT, related_name="votes")
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    voter = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    vote = models.CharField(max_length=8, choices=Vote.choices)
    digest = models.CharField(max_length=64)
    reason = models.TextField()
    voted_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=~Q(voter=F("requester")), name="voter_is_not_requester"),
            models.UniqueConstraint(fields=["request", "voter"], name="one_vote_per_person"),
        ]

    def __str__(self) -> str:
        return f"{self.voter} {self.vote}"


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


class OneTimePassword(models.Model):
    """The password a person was given, as its hash: while it is still theirs they must choose another."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="one_time_password")
    password = models.CharField(max_length=128, help_text="Equal to the user's own hash until they change it")

    class Meta:
        ordering = ["user_id"]

    def __str__(self) -> str:
        return str(self.user)
