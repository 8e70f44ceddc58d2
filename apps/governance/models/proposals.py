from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from apps.core.append_only import AppendOnlyModel
from apps.governance.choices import ProposalEvidenceKind, ProposalPermission, ProposalStatus

from .approvals import ApprovalRequest


class RedesignProposal(models.Model):
    """A problem with its figures and causes, the ways out of it, and what became of the one that was chosen.

    `revision` counts every change of what a decision would rest on; `last_editor` made the last of them.
    """

    title = models.CharField(max_length=160)
    problem = models.TextField()
    baseline = models.JSONField(default=list, help_text="[{name, value, unit}], value as decimal text")
    causes = models.JSONField(default=list, help_text="[{cause, answer}], answer: what the platform does about it")
    axes = models.JSONField(default=list, help_text="[{regime, metric, unit}] on which every option is compared")
    status = models.CharField(max_length=12, choices=ProposalStatus.choices, default=ProposalStatus.DRAFT)
    revision = models.PositiveIntegerField(default=1)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    last_editor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    dated_at = models.DateTimeField(help_text="When the problem was stated, which may be before it was written here")
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    watch_from = models.DateTimeField(null=True, blank=True)
    watch_until = models.DateTimeField(null=True, blank=True)
    watch = models.JSONField(default=list, help_text="[{name, unit, forecast, actual}], actual null until measured")
    outcome = models.TextField(blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        permissions = [*ProposalPermission.choices]

    def __str__(self) -> str:
        return self.title


class ProposalOption(models.Model):
    """One way out. `revision` counts its own changes, so that results tell which parameters they were made with."""

    proposal = models.ForeignKey(RedesignProposal, on_delete=models.PROTECT, related_name="options")
    key = models.CharField(max_length=1)
    name = models.CharField(max_length=120)
    summary = models.TextField()
    changes = models.JSONField(default=list, help_text="[{name, old, new, unit}] by name in the parameter catalog")
    pros = models.JSONField(default=list)
    cons = models.JSONField(default=list)
    trade_off = models.TextField(blank=True)
    revision = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["proposal", "key"]
        constraints = [
            models.UniqueConstraint(fields=["proposal", "key"], name="one_option_per_letter"),
            models.CheckConstraint(condition=Q(key__gte="A", key__lte="Z"), name="option_key_is_a_letter"),
        ]

    def __str__(self) -> str:
        return f"{self.key}: {self.name}"


class OptionResult(AppendOnlyModel):
    """What one scenario run gave for one option on one axis; a later row for the same axis stands instead."""

    option = models.ForeignKey(ProposalOption, on_delete=models.PROTECT, related_name="results")
    option_revision = models.PositiveIntegerField()
    regime = models.CharField(max_length=60)
    metric = models.CharField(max_length=60)
    unit = models.CharField(max_length=30)
    value = models.DecimalField(max_digits=20, decimal_places=6)
    low = models.DecimalField(max_digits=20, decimal_places=6)
    high = models.DecimalField(max_digits=20, decimal_places=6)
    sample = models.PositiveIntegerField(help_text="How many independent observations the interval rests on")
    reference = models.CharField(max_length=300)
    sha256 = models.CharField(max_length=64, blank=True)
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    recorded_label = models.CharField(max_length=150)
    recorded_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(low__lte=F("value")) & Q(value__lte=F("high")), name="result_within_its_interval"
            ),
            models.CheckConstraint(condition=Q(sample__gte=1), name="result_has_a_sample"),
        ]

    def __str__(self) -> str:
        return f"{self.metric}, {self.regime}: {self.value} {self.unit}"


class EvidenceSlot(models.Model):
    """Evidence that is asked for by name; while a required slot is empty nothing can be decided.

    A matrix slot is filled by results of every option on every axis, not by a document.
    """

    proposal = models.ForeignKey(RedesignProposal, on_delete=models.PROTECT, related_name="slots")
    key = models.SlugField(max_length=40)
    title = models.CharField(max_length=120)
    wanted = models.TextField(blank=True, help_text="What would fill it")
    is_required = models.BooleanField(default=True)
    is_matrix = models.BooleanField(default=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["proposal", "key"], name="one_slot_per_key")]

    def __str__(self) -> str:
        return self.title


class ProposalEvidence(AppendOnlyModel):
    """What somebody put into a slot. It is never taken out; what replaces it is added."""

    slot = models.ForeignKey(EvidenceSlot, on_delete=models.PROTECT, related_name="evidence")
    kind = models.CharField(max_length=12, choices=ProposalEvidenceKind.choices)
    title = models.CharField(max_length=160)
    reference = models.CharField(max_length=300, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    note = models.TextField(help_text="What it shows")
    filled_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    filled_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "proposal evidence"
        constraints = [
            models.CheckConstraint(condition=~(Q(reference="") & Q(sha256="")), name="evidence_can_be_found"),
        ]

    def __str__(self) -> str:
        return self.title


class ProposalDecision(AppendOnlyModel):
    """Which option is done first and which may replace it without asking again.

    `digest` is over the request's own digest and the choice; the database refuses the author's own.
    """

    proposal = models.ForeignKey(RedesignProposal, on_delete=models.PROTECT, related_name="decisions")
    request = models.OneToOneField(ApprovalRequest, on_delete=models.PROTECT, related_name="direction")
    primary = models.ForeignKey(ProposalOption, on_delete=models.PROTECT, related_name="+")
    fallback = models.ForeignKey(ProposalOption, on_delete=models.PROTECT, related_name="+")
    waivers = models.JSONField(default=list, help_text="[{slot, title, reason}]")
    reason = models.TextField()
    digest = models.CharField(max_length=64)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(condition=~Q(primary=F("fallback")), name="fallback_is_another_option"),
            models.CheckConstraint(condition=~Q(decided_by=F("author")), name="author_does_not_decide"),
        ]

    def __str__(self) -> str:
        return f"{self.primary.key}, then {self.fallback.key}"


class FallbackSwitch(AppendOnlyModel):
    """The moment the fallback took the primary's place; one person does it, another looks at it afterwards."""

    decision = models.OneToOneField(ProposalDecision, on_delete=models.PROTECT, related_name="switch")
    reason = models.TextField()
    switched_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    switched_at = models.DateTimeField()

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "fallback switches"

    def __str__(self) -> str:
        return f"to {self.decision.fallback.key}"
