"""The compliance record in the admin: to be looked at. It is worked in the console."""

from __future__ import annotations

from datetime import datetime

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.admin_columns import IDLE, STOP, WAIT, WARN, count, status
from apps.core.admin_filters import YesNo, asks, happened
from apps.core.admin_index import WAITING, Waiting
from apps.core.adminsite import DATA, PEOPLE, REVIEW, BulkFactsAdmin, ReadOnlyAdmin, ReadOnlyInline
from apps.governance.choices import IncidentStatus
from apps.governance.models import (
    EmploymentAttestation,
    Incident,
    IncidentAction,
    IncidentEntry,
    Lesson,
    LessonLink,
    TermsAcknowledgement,
    TermsVersion,
    WordingFlag,
)

_STATES = {"open": WARN, "acknowledged": WAIT, "mitigated": WAIT, "closed": IDLE}
_SEVERITIES = {"info": IDLE, "warning": WARN, "critical": STOP}


class NeedsWork(YesNo):
    title = "Is it still to be worked?"
    parameter_name = "needs_work"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.exclude(status=IncidentStatus.CLOSED)


class StillValid(YesNo):
    title = "Does it still hold?"
    parameter_name = "holds"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.filter(valid_until__gt=now)


class Overdue(YesNo):
    title = "Is it overdue?"
    parameter_name = "overdue"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.filter(done_at=None, due_on__lt=now.date())


class Looked(YesNo):
    title = "Has somebody looked at it?"
    parameter_name = "seen"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.exclude(reviewed_at=None)


class EntryInline(ReadOnlyInline):
    model = IncidentEntry
    fk_name = "incident"
    fields = ("at", "author_label", "kind", "text")
    readonly_fields = fields


class ActionInline(ReadOnlyInline):
    model = IncidentAction
    fk_name = "incident"
    fields = ("text", "owner", "due_on", "done_at")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[IncidentAction]:
        return super().get_queryset(request).select_related("owner")


class LinkInline(ReadOnlyInline):
    model = LessonLink
    fields = ("object_type", "object_id", "label")
    readonly_fields = fields


@admin.register(Incident)
class IncidentAdmin(ReadOnlyAdmin):
    job = REVIEW
    question = "What went wrong, who owns it, and is it still to be worked?"
    list_display = (
        "id",
        "title",
        status("severity", _SEVERITIES),
        status("status", _STATES),
        "owner",
        count("occurrences"),
        "opened_at",
    )
    list_display_links = ("id", "title")
    list_select_related = ("owner",)
    list_filter = (NeedsWork, ("severity", asks("How serious?")), happened("opened_at", "When did it begin?"))
    search_fields = ("title", "=reference")
    inlines = (EntryInline, ActionInline)
    console_page = ("console:incident", "pk")

    def index_rows(self, now: datetime) -> tuple[str, QuerySet]:
        return "open", Incident.objects.exclude(status=IncidentStatus.CLOSED)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Incident]:
        return super().get_queryset(request).select_related("owner", "opened_by", "closed_by", "last_event")


@admin.register(IncidentAction)
class IncidentActionAdmin(ReadOnlyAdmin):
    job = REVIEW
    question = "What follows from incidents, who does it, and what is overdue?"
    list_display = ("id", "text", "incident", "owner", "due_on", "done_at")
    list_select_related = ("incident", "owner", "done_by")
    list_filter = (Overdue,)
    search_fields = ("text", "owner__username")
    console_page = ("console:incident", "incident_id")

    def index_rows(self, now: datetime) -> tuple[str, QuerySet]:
        return "not done", IncidentAction.objects.filter(done_at=None)


@admin.register(IncidentEntry)
class IncidentEntryAdmin(BulkFactsAdmin):
    job = DATA
    question = "Who said what in the course of an incident?"
    list_display = ("id", "at", "incident", "author_label", "kind", "text")
    list_select_related = ("incident",)
    list_filter = (("kind", asks("What kind of line?")), happened("at", "When?"))
    search_fields = ("text", "author_label")
    console_page = ("console:incident", "incident_id")


@admin.register(Lesson)
class LessonAdmin(ReadOnlyAdmin):
    job = REVIEW
    question = "What was learned, from which incident and about which strategy version?"
    list_display = ("id", "title", "incident", "author_label", "written_at")
    list_display_links = ("id", "title")
    list_select_related = ("incident",)
    list_filter = (happened("written_at", "When was it written?"),)
    search_fields = ("title", "text", "tags")
    inlines = (LinkInline,)
    console_page = ("console:lessons", "")


@admin.register(TermsVersion)
class TermsVersionAdmin(ReadOnlyAdmin):
    job = PEOPLE
    question = "Which terms have people to acknowledge, since when?"
    no_filter = "there are a handful of versions"
    list_display = ("number", "title", "valid_from", "text_hash", "published_by")
    list_select_related = ("published_by",)
    search_fields = ("=number", "=text_hash")
    console_page = ("console:compliance", "")


@admin.register(TermsAcknowledgement)
class TermsAcknowledgementAdmin(ReadOnlyAdmin):
    job = PEOPLE
    question = "Who has acknowledged which version of the terms, and when?"
    list_display = ("id", "user", "version", "acknowledged_at")
    list_select_related = ("user", "version")
    list_filter = (happened("acknowledged_at", "When?"),)
    search_fields = ("user__username",)
    console_page = ("console:compliance", "")


@admin.register(EmploymentAttestation)
class EmploymentAttestationAdmin(ReadOnlyAdmin):
    job = PEOPLE
    question = "Where do people work, and until when does their attestation hold?"
    list_display = ("id", "user", "employer", "attested_at", "valid_until")
    list_select_related = ("user",)
    list_filter = (StillValid,)
    search_fields = ("user__username", "employer")
    console_page = ("console:compliance", "")


@admin.register(WordingFlag)
class WordingFlagAdmin(ReadOnlyAdmin):
    job = REVIEW
    question = "Which stored texts hold words we do not use, and has somebody looked?"
    list_display = (
        "id",
        "object_type",
        "object_id",
        "field",
        status("source", {"exchange": IDLE, "person": WARN, "platform": STOP}),
        "found_at",
        "reviewed_by",
    )
    list_select_related = ("reviewed_by",)
    list_filter = (Looked, ("source", asks("Who wrote it?")))
    search_fields = ("object_type", "=object_id")
    fields = ("object_type", "object_id", "field", "source", "found_at", "reviewed_at", "reviewed_by", "review")
    console_page = ("console:compliance", "")

    def index_rows(self, now: datetime) -> tuple[str, QuerySet]:
        return "not looked at", WordingFlag.objects.filter(reviewed_at=None)


WAITING.extend(
    (
        Waiting(
            label="incidents are open",
            admin_list="governance_incident",
            narrowed={"needs_work": "yes"},
            rows=lambda user, now: Incident.objects.exclude(status=IncidentStatus.CLOSED),
        ),
        Waiting(
            label="steps from incidents are overdue",
            admin_list="governance_incidentaction",
            narrowed={"overdue": "yes"},
            rows=lambda user, now: IncidentAction.objects.filter(done_at=None, due_on__lt=now.date()),
        ),
    )
)
