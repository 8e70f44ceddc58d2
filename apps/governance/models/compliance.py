from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from apps.core.append_only import AppendOnlyModel
from apps.governance.choices import CompliancePermission, EntryKind, IncidentStatus, Severity, TextSource

from .events import SystemEvent


class Incident(models.Model):
    """Something that went wrong, from its first event to the agreed end. What happened in it are its entries."""

    title = models.CharField(max_length=160)
    severity = models.CharField(max_length=8, choices=Severity.choices)
    status = models.CharField(max_length=12, choices=IncidentStatus.choices, default=IncidentStatus.OPEN)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    group_key = models.CharField(
        max_length=160,
        blank=True,
        help_text="Events of one key join while it is open; empty: a person opened it",
    )
    reference = models.CharField(max_length=60, blank=True, help_text="A name that stays, for records from before")
    opened_at = models.DateTimeField(db_index=True)
    opened_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    occurrences = models.PositiveIntegerField(default=0, help_text="System events that joined")
    last_event = models.ForeignKey(SystemEvent, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    last_event_at = models.DateTimeField(null=True, blank=True)
    none_needed_because = models.TextField(blank=True, help_text="Why no action follows from it")
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["-id"]
        permissions = [*CompliancePermission.choices]
        constraints = [
            models.UniqueConstraint(
                fields=["group_key"],
                condition=~Q(status=IncidentStatus.CLOSED) & ~Q(group_key=""),
                name="one_open_incident_per_group",
            ),
            models.UniqueConstraint(
                fields=["reference"], condition=~Q(reference=""), name="one_incident_per_reference"
            ),
            models.CheckConstraint(
                condition=~Q(status=IncidentStatus.CLOSED) | Q(closed_at__isnull=False, closed_by__isnull=False),
                name="closed_incident_says_who",
            ),
            models.CheckConstraint(
                condition=~Q(status=IncidentStatus.CLOSED, severity=Severity.CRITICAL)
                | (Q(owner__isnull=False) & ~Q(closed_by=F("owner"))),
                name="critical_incident_closed_by_another",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_open(self) -> bool:
        return self.status != IncidentStatus.CLOSED


class IncidentEntry(AppendOnlyModel):
    """One line of an incident's timeline. `person` is who was named in it, e.g. the new owner."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="entries")
    at = models.DateTimeField()
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    author_label = models.CharField(max_length=150)
    kind = models.CharField(max_length=8, choices=EntryKind.choices)
    text = models.TextField()
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    event = models.ForeignKey(SystemEvent, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "incident entries"

    def __str__(self) -> str:
        return f"{self.kind}: {self.text[:60]}"


class IncidentAction(models.Model):
    """What shall be done so that it does not happen again."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="actions")
    text = models.TextField()
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    due_on = models.DateField()
    created_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)
    done_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["due_on", "id"]

    def __str__(self) -> str:
        return self.text[:80]


class Lesson(AppendOnlyModel):
    """What was learned, as a note for later work. Where it came from and what it is about are its links."""

    title = models.CharField(max_length=160)
    text = models.TextField()
    tags = models.CharField(max_length=200, blank=True, help_text="Words to find it by, comma separated")
    incident = models.ForeignKey(Incident, null=True, blank=True, on_delete=models.PROTECT, related_name="lessons")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    author_label = models.CharField(max_length=150)
    written_at = models.DateTimeField()
    replaces = models.OneToOneField("self", null=True, blank=True, on_delete=models.PROTECT, related_name="replaced_by")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.title


class LessonLink(AppendOnlyModel):
    """What a lesson is about, e.g. a strategy version: by label and key, since its app lies above."""

    lesson = models.ForeignKey(Lesson, on_delete=models.PROTECT, related_name="links")
    object_type = models.CharField(max_length=80, help_text="Model label, e.g. trading.StrategyVersion")
    object_id = models.CharField(max_length=80)
    label = models.CharField(max_length=160, help_text="How it was called when the lesson was written")

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["object_type", "object_id"])]
        constraints = [
            models.UniqueConstraint(fields=["lesson", "object_type", "object_id"], name="one_link_per_object")
        ]

    def __str__(self) -> str:
        return self.label


class TermsVersion(AppendOnlyModel):
    """Terms people acknowledge before they order by hand or sign. The newest whose time has come is in force."""

    number = models.PositiveIntegerField(unique=True)
    title = models.CharField(max_length=160)
    text = models.TextField()
    text_hash = models.CharField(max_length=64, help_text="SHA-256 of the text in UTF-8")
    valid_from = models.DateTimeField()
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    published_at = models.DateTimeField()

    class Meta:
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"{self.title}, version {self.number}"


class TermsAcknowledgement(AppendOnlyModel):
    """One person has read one version and agrees to keep to it."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    version = models.ForeignKey(TermsVersion, on_delete=models.PROTECT, related_name="acknowledgements")
    text_hash = models.CharField(max_length=64)
    acknowledged_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["user", "version"], name="one_acknowledgement_per_version")]

    def __str__(self) -> str:
        return f"{self.user}: {self.version}"


class EmploymentAttestation(AppendOnlyModel):
    """Where a person works, and the markets about which they may know more than the public. Renewed each year."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="attestations")
    employer = models.CharField(max_length=160)
    restricted = models.JSONField(default=list, help_text="[[scope, id], …] that the person may not trade")
    attested_at = models.DateTimeField()
    valid_until = models.DateTimeField()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.user}: {self.employer}"


class WordingFlag(models.Model):
    """A stored text that holds a banned word. The text itself stays as it is."""

    object_type = models.CharField(max_length=80)
    object_id = models.CharField(max_length=80)
    field = models.CharField(max_length=40)
    source = models.CharField(max_length=8, choices=TextSource.choices)
    words = models.JSONField(help_text="The words as they stand in the text")
    found_at = models.DateTimeField()
    reviewed_at = models.DateTimeField(null=True, blank=True)
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    review = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["object_type", "object_id", "field"], name="one_wording_flag_per_text")
        ]

    def __str__(self) -> str:
        return f"{self.object_type} {self.object_id} {self.field}"
