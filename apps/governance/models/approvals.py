from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from apps.core.append_only import AppendOnlyModel
from apps.governance.choices import (
    ApprovalPath,
    ApprovalStatus,
    Direction,
    LinkKind,
    Permission,
    Vote,
)


class ApprovalRequest(models.Model):
    """A change that waits for other people, or that one person made alone and others look at afterwards.

    The digest covers exactly what would be applied. `editor` made the present revision; an edit starts the signatures
    anew. `current` and `rows` are old against new as they were when the revision was made.
    """

    action = models.CharField(max_length=80)
    target_type = models.CharField(max_length=80)
    target_id = models.CharField(max_length=240)
    payload = models.JSONField()
    current = models.JSONField(help_text="The values this request would replace, as they were when it was made")
    rows = models.JSONField(default=list, help_text="[{label, unit, old, new, direction, bounds}]")
    risk = models.CharField(max_length=10, choices=Direction.choices, default=Direction.UNKNOWN)
    params_hash = models.CharField(max_length=64, blank=True, help_text="Of everything in force afterwards")
    base_version = models.CharField(max_length=80, blank=True)
    environment = models.CharField(max_length=12, blank=True, help_text="Empty where it reaches all of them")
    evidence_digest = models.CharField(max_length=64, blank=True)
    digest = models.CharField(max_length=64)
    reason = models.TextField()
    status = models.CharField(max_length=12, choices=ApprovalStatus.choices, default=ApprovalStatus.OPEN)
    path = models.CharField(max_length=12, choices=ApprovalPath.choices, default=ApprovalPath.SIGNED)
    revision = models.PositiveIntegerField(default=1)
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    editor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    apply_after = models.DateTimeField(null=True, blank=True, help_text="Not applied before, even if signed")
    closed_at = models.DateTimeField(null=True, blank=True)
    countersign_by = models.DateTimeField(null=True, blank=True, help_text="When two others must have signed it")
    overdue_told_at = models.DateTimeField(null=True, blank=True, help_text="When BREAK_GLASS_OVERDUE was raised")

    class Meta:
        ordering = ["-id"]
        permissions = [*Permission.choices]
        constraints = [
            models.UniqueConstraint(
                fields=["action", "target_type", "target_id"],
                condition=Q(status=ApprovalStatus.OPEN),
                name="one_open_request_per_target",
            ),
            models.CheckConstraint(
                condition=Q(path=ApprovalPath.SIGNED) | Q(status=ApprovalStatus.APPLIED),
                name="only_signed_requests_wait",
            ),
            models.CheckConstraint(
                condition=~Q(path=ApprovalPath.BREAK_GLASS) | Q(countersign_by__isnull=False),
                name="broken_glass_is_signed_afterwards",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target_id}"


class ApprovalRevision(AppendOnlyModel):
    """One wording of a request, kept when the next one replaces it; `content` is what its digest is over."""

    request = models.ForeignKey(ApprovalRequest, on_delete=models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    content = models.JSONField()
    digest = models.CharField(max_length=64)
    reason = models.TextField()
    editor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    edited_at = models.DateTimeField()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["request", "number"], name="one_revision_per_number")]

    def __str__(self) -> str:
        return f"{self.request_id} revision {self.number}"


class ApprovalEvidence(AppendOnlyModel):
    """What the person who asks offers in support; belongs to one revision."""

    request = models.ForeignKey(ApprovalRequest, on_delete=models.PROTECT, related_name="evidence")
    revision = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=LinkKind.choices)
    title = models.CharField(max_length=160)
    reference = models.CharField(max_length=300, blank=True, help_text="Number of a run, address, or the note itself")
    sha256 = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "approval evidence"
        constraints = [
            models.CheckConstraint(condition=~Q(kind=LinkKind.FILE) | ~Q(sha256=""), name="a_file_has_its_hash"),
        ]

    def __str__(self) -> str:
        return self.title


class ApprovalVote(AppendOnlyModel):
    """One person's signature under, or rejection of, one revision.

    `statement` is what was signed, word for word; `digest` is its hash and `seal` the same under the platform's key.
    The database itself refuses the requester's own and the last editor's.
    """

    request = models.ForeignKey(ApprovalRequest, on_delete=models.PROTECT, related_name="votes")
    revision = models.PositiveIntegerField(default=1)
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    last_editor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    voter = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    roles = models.CharField(max_length=160, blank=True, help_text="Those the voter had when signing")
    vote = models.CharField(max_length=8, choices=Vote.choices)
    statement = models.TextField(blank=True)
    digest = models.CharField(max_length=64)
    seal = models.CharField(max_length=64, blank=True)
    factor = models.CharField(max_length=16, blank=True, help_text="How the voter had confirmed who they are")
    reason = models.TextField()
    voted_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=~Q(voter=F("requester")), name="voter_is_not_requester"),
            models.CheckConstraint(condition=~Q(voter=F("last_editor")), name="voter_is_not_last_editor"),
            models.UniqueConstraint(fields=["request", "revision", "voter"], name="one_vote_per_person"),
        ]

    def __str__(self) -> str:
        return f"{self.voter} {self.vote}"
