"""What somebody has promised, and what people remarked."""

from __future__ import annotations

from datetime import datetime

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from apps.core.admin_columns import IDLE, OK, WAIT, status
from apps.core.admin_filters import Question, asks, happened
from apps.core.admin_index import WAITING, Waiting
from apps.core.adminsite import DATA, REVIEW, ReadOnlyAdmin
from apps.governance.choices import WorkStatus
from apps.governance.models import Comment, WorkItem

_WORK_MARKS = {
    WorkStatus.TODO: IDLE,
    WorkStatus.DOING: OK,
    WorkStatus.WAITING: WAIT,
    WorkStatus.DONE: OK,
    WorkStatus.DROPPED: IDLE,
}
_WORK_OPEN = (WorkStatus.TODO, WorkStatus.DOING, WorkStatus.WAITING)


class WorkDue(Question):
    title = "Is it still to be done?"
    parameter_name = "due"
    answers = {"yes": "Yes", "mine": "Yes, by me", "overdue": "Yes, and it is overdue", "no": "No"}

    def narrow(self, queryset: QuerySet, answer: str, request: HttpRequest, now: datetime) -> QuerySet:
        if answer == "no":
            return queryset.exclude(status__in=_WORK_OPEN)
        rows = queryset.filter(status__in=_WORK_OPEN)
        if answer == "mine":
            return rows.filter(owners=request.user.pk)
        return rows.filter(due_at__lt=now) if answer == "overdue" else rows


@admin.register(WorkItem)
class WorkItemAdmin(ReadOnlyAdmin):
    job = REVIEW
    question = "Who has promised what by when, and what is overdue?"
    list_display = ("title", status("status", _WORK_MARKS), "people", "due_at", "estimate", "proposal", "done_at")
    list_filter = (WorkDue, ("status", asks("How far is it?")))
    search_fields = ("title", "owners__username")
    fields = (
        "title", "proposal", "people", "status", "due_at", "estimate", "needs", "created_at", "done_at", "done_by",
    )  # fmt: skip
    console_page = ("console:proposal", "proposal_id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[WorkItem]:
        rows = super().get_queryset(request).select_related("proposal", "done_by")
        return rows.prefetch_related("owners", "depends_on")

    def index_rows(self, now: datetime) -> tuple[str, QuerySet] | None:
        return "to do", WorkItem.objects.filter(status__in=_WORK_OPEN)

    @display(description="Owners")
    def people(self, obj: WorkItem) -> str:
        return ", ".join(person.get_username() for person in obj.owners.all()) or "nobody"

    @display(description="Needs first")
    def needs(self, obj: WorkItem) -> str:
        return ", ".join(other.title for other in obj.depends_on.all()) or "nothing"


@admin.register(Comment)
class CommentAdmin(ReadOnlyAdmin):
    job = DATA
    question = "Who remarked what on which object?"
    list_display = ("id", "created_at", "author", "object_type", "object_id", "text")
    list_display_links = ("id", "created_at")
    list_select_related = ("author",)
    list_filter = (happened("created_at", "When was it written?"),)
    search_fields = ("=object_id", "author__username", "text")


WAITING.extend(
    (
        Waiting(
            label="tasks are overdue",
            admin_list="governance_workitem",
            narrowed={"due": "overdue"},
            rows=lambda user, now: WorkItem.objects.filter(status__in=_WORK_OPEN, due_at__lt=now),
        ),
        Waiting(
            label="tasks you have promised",
            admin_list="governance_workitem",
            narrowed={"due": "mine"},
            rows=lambda user, now: WorkItem.objects.filter(status__in=_WORK_OPEN, owners=user),
            mark=WAIT,
        ),
    )
)
