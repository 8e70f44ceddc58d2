from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.core.append_only import AppendOnlyModel
from apps.governance.choices import AuditResult, AuditScope


class AuditEvent(AppendOnlyModel):
    """Who did what to which object, and why; written in the transaction of the change itself, as a link of the chain.

    `sequence` has no gaps; `hash` covers `previous_hash` and everything the row says (`governance/audit/chain.py`).
    """

    sequence = models.PositiveBigIntegerField(unique=True)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)
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


class AuditHead(models.Model):
    """The one row that says where the chain ends; locking it is what makes the chain's writers take turns."""

    sequence = models.PositiveBigIntegerField()
    hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.sequence} {self.hash[:12]}"


class AuditAnchor(AppendOnlyModel):
    """A signed head. Copies lie outside the database; only those can show that the end of the chain was cut."""

    sequence = models.PositiveBigIntegerField(unique=True)
    hash = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    public_key = models.CharField(max_length=64, help_text="Ed25519, hex")
    signature = models.CharField(max_length=128, help_text="Ed25519, hex")

    class Meta:
        ordering = ["-sequence"]

    def __str__(self) -> str:
        return f"{self.sequence} {self.hash[:12]}"


class AuditPlace(models.Model):
    """What became of the anchors at one place outside the database."""

    path = models.CharField(max_length=400, unique=True)
    written_through = models.PositiveBigIntegerField(default=0, help_text="Row of the newest anchor that lies there")
    written_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    failing_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["path"]

    def __str__(self) -> str:
        return self.path


class AuditVerification(AppendOnlyModel):
    """One verification of the chain: what was read, how long it took, what was found, and who asked for it."""

    started_at = models.DateTimeField(db_index=True)
    seconds = models.DecimalField(max_digits=10, decimal_places=3)
    scope = models.CharField(max_length=8, choices=AuditScope.choices)
    result = models.CharField(max_length=12, choices=AuditResult.choices)
    first_sequence = models.PositiveBigIntegerField()
    last_sequence = models.PositiveBigIntegerField()
    rows = models.PositiveBigIntegerField()
    anchored_through = models.PositiveBigIntegerField(help_text="Row of the newest anchor kept outside the database")
    breaks = models.JSONField(default=list, blank=True)
    notes = models.JSONField(default=list, blank=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT)
    actor_label = models.CharField(max_length=150)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M} {self.result}"
