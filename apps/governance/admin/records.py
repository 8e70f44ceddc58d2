from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from apps.core.adminsite import REVIEW, BulkFactsAdmin, asks, json_html
from apps.governance.models import AuditEvent, SystemEvent


@admin.register(AuditEvent)
class AuditEventAdmin(BulkFactsAdmin):
    job = REVIEW
    list_display = ("id", "created_at", "actor_label", "action", "object_type", "object_id", "reason")
    list_display_links = ("id", "created_at")
    search_fields = ("=object_id", "action", "actor_label")
    search_help_text = "Object id, part of an action, or who did it"
    fields = (
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
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEvent]:
        return super().get_queryset(request).select_related("actor")

    @display(description="Before")
    def before_text(self, obj: AuditEvent) -> str:
        return json_html(obj.before)

    @display(description="After")
    def after_text(self, obj: AuditEvent) -> str:
        return json_html(obj.after)


@admin.register(SystemEvent)
class SystemEventAdmin(BulkFactsAdmin):
    job = REVIEW
    list_display = ("id", "created_at", "severity_label", "code", "source", "message")
    list_display_links = ("id", "created_at")
    list_filter = (("severity", asks("How serious?")),)
    search_fields = ("=code", "source", "message")
    search_help_text = "Exact code, source, or part of the message"

    @display(description="Severity", label={"critical": "danger", "warning": "warning", "info": "info"})
    def severity_label(self, obj: SystemEvent) -> tuple[str, str]:
        return obj.severity, obj.get_severity_display()
