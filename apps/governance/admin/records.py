from __future__ import annotations

from datetime import datetime

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from apps.core.admin_columns import IDLE, OK, STOP, WARN, count, number, status
from apps.core.admin_filters import Question, YesNo, asks, happened
from apps.core.adminsite import REVIEW, BulkFactsAdmin, ReadOnlyAdmin, json_html
from apps.governance.choices import AuditResult, Severity
from apps.governance.models import AuditAnchor, AuditEvent, AuditPlace, AuditVerification, SystemEvent

_SEVERITY_MARKS = {Severity.INFO: IDLE, Severity.WARNING: WARN, Severity.CRITICAL: STOP}
_RESULT_MARKS = {AuditResult.INTACT: OK, AuditResult.BROKEN: STOP, AuditResult.INCOMPLETE: WARN}


class Actor(Question):
    title = "Who did it?"
    parameter_name = "by"
    answers = {"me": "I did", "person": "A person", "platform": "The platform"}

    def narrow(self, queryset: QuerySet, answer: str, request: HttpRequest, now: datetime) -> QuerySet:
        if answer == "me":
            return queryset.filter(actor_id=request.user.pk)
        return queryset.filter(actor=None) if answer == "platform" else queryset.exclude(actor=None)


class Failing(YesNo):
    title = "Can it not be written to?"
    parameter_name = "failing"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.exclude(failing_since=None)


@admin.register(AuditEvent)
class AuditEventAdmin(BulkFactsAdmin):
    job = REVIEW
    question = "Who did what to which object, and why?"
    list_display = (
        count("sequence", "Row"), "created_at", "actor_label", "action", "object_type", "object_id", "reason",
    )  # fmt: skip
    list_display_links = ("created_at", "action")
    list_filter = (Actor, happened("created_at", "When was it done?"))
    search_fields = ("=object_id", "=action", "=actor_label", "=request_id")
    search_help_text = "A whole object id, action, name or request id"
    deferred_in_list = ("before", "after")
    palette_key = "sequence"
    console_page = ("console:audit", "")
    fields = (
        "sequence",
        "created_at",
        "actor",
        "actor_label",
        "action",
        "object_type",
        "object_id",
        "reason",
        "before_text",
        "after_text",
        "request_id",
        "release",
        "previous_hash",
        "hash",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEvent]:
        return super().get_queryset(request).select_related("actor")

    @display(description="Before")
    def before_text(self, obj: AuditEvent) -> str:
        return json_html(obj.before)

    @display(description="After")
    def after_text(self, obj: AuditEvent) -> str:
        return json_html(obj.after)


@admin.register(AuditAnchor)
class AuditAnchorAdmin(BulkFactsAdmin):
    job = REVIEW
    question = "Up to which row was the chain signed, and when?"
    list_display = (count("sequence", "Row"), "created_at", "hash")
    list_display_links = ("created_at",)
    list_filter = (happened("created_at", "When was it signed?"),)
    search_fields = ("=sequence", "=hash")
    search_help_text = "Number or hash of the row that was signed"
    fields = ("sequence", "created_at", "hash", "public_key", "signature")
    console_page = ("console:audit", "")


@admin.register(AuditPlace)
class AuditPlaceAdmin(ReadOnlyAdmin):
    job = REVIEW
    question = "Where outside the database do anchors lie, and since when can one not be written to?"
    list_display = ("path", count("written_through", "Up to row"), "written_at", "failing_since", "error")
    list_filter = (Failing,)
    search_fields = ("path",)
    console_page = ("console:audit", "")


@admin.register(AuditVerification)
class AuditVerificationAdmin(BulkFactsAdmin):
    job = REVIEW
    question = "When was the chain verified, and was it whole?"
    list_display = (
        "started_at", status("result", _RESULT_MARKS), "scope", count("rows"), number("seconds"),
        count("anchored_through", "Anchored up to"), "actor_label",
    )  # fmt: skip
    list_filter = (("result", asks("What was found?")), happened("started_at", "When was it verified?"))
    search_fields = ("=actor_label",)
    search_help_text = "Who asked for it"
    deferred_in_list = ("breaks", "notes")
    console_page = ("console:audit", "")
    fields = (
        "started_at",
        "seconds",
        "scope",
        "result",
        "first_sequence",
        "last_sequence",
        "rows",
        "anchored_through",
        "breaks_text",
        "notes",
        "actor_label",
    )

    @display(description="Breaks")
    def breaks_text(self, obj: AuditVerification) -> str:
        return json_html(obj.breaks)


@admin.register(SystemEvent)
class SystemEventAdmin(BulkFactsAdmin):
    job = REVIEW
    question = "What did the platform notice that somebody may have to act on?"
    list_display = ("id", "created_at", status("severity", _SEVERITY_MARKS), "code", "source", "message")
    list_display_links = ("id", "created_at")
    list_filter = (("severity", asks("How serious?")), happened("created_at", "When was it noticed?"))
    search_fields = ("=code", "=source", "message")
    search_help_text = "Exact code or source, or part of the message"
    deferred_in_list = ("details",)
    console_page = ("console:events", "")
