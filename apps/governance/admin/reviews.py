"""Whose signatures are needed, and what somebody else has to look at."""

from __future__ import annotations

from datetime import datetime

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from apps.core.admin_columns import STOP, WAIT
from apps.core.admin_filters import Question, YesNo, asks, happened
from apps.core.admin_index import WAITING
from apps.core.admin_index import Waiting as IndexLine
from apps.core.adminsite import LIMITS, REVIEW, ReadOnlyAdmin
from apps.governance.models import ReviewItem, SignoffRule


class Retired(YesNo):
    title = "Is the rule in force?"
    parameter_name = "in_force"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.filter(retired_at=None)


class ReviewDue(Question):
    title = "Has somebody looked at it?"
    parameter_name = "looked"
    answers = {"no": "No", "overdue": "No, and it is overdue", "mine": "No, and it was not me", "yes": "Yes"}

    def narrow(self, queryset: QuerySet, answer: str, request: HttpRequest, now: datetime) -> QuerySet:
        if answer == "yes":
            return queryset.exclude(reviewed_at=None)
        rows = queryset.filter(reviewed_at=None)
        if answer == "overdue":
            return rows.filter(due_at__lt=now)
        return rows.exclude(opened_by_id=request.user.pk) if answer == "mine" else rows


@admin.register(SignoffRule)
class SignoffRuleAdmin(ReadOnlyAdmin):
    """To be looked at; a rule is made and retired by a request, on the console's page of needed signatures."""

    job = LIMITS
    question = "Whose signatures does which change need?"
    list_display = ("id", "action", "environment", "direction", "signatures", "approval", "put_at", "retired_at")
    list_display_links = ("id", "action")
    list_select_related = ("approval",)
    list_filter = (Retired, ("direction", asks("For which effect on risk?")))
    search_fields = ("action",)
    console_page = ("console:signoff-rules", "")

    @display(description="Needs")
    def signatures(self, obj: SignoffRule) -> str:
        return ", ".join(f"{number} of {role}" for role, number in sorted(obj.needs.items())) or "none more"


@admin.register(ReviewItem)
class ReviewItemAdmin(ReadOnlyAdmin):
    job = REVIEW
    question = "What did one person do alone that another has to look at, and what is overdue?"
    list_display = ("id", "kind", "what", "opened_by", "opened_at", "due_at", "reviewed_by", "reviewed_at")
    list_display_links = ("id", "what")
    list_select_related = ("opened_by", "reviewed_by")
    list_filter = (ReviewDue, ("kind", asks("What kind of step?")), happened("opened_at", "When was it taken?"))
    search_fields = ("what", "=object_id", "opened_by__username")
    console_page = ("console:reviews", "")

    def index_rows(self, now: datetime) -> tuple[str, QuerySet] | None:
        return "open", ReviewItem.objects.filter(reviewed_at=None)


WAITING.extend(
    (
        IndexLine(
            label="steps to look at are overdue",
            admin_list="governance_reviewitem",
            narrowed={"looked": "overdue"},
            rows=lambda user, now: ReviewItem.objects.filter(reviewed_at=None, due_at__lt=now),
            mark=STOP,
        ),
        IndexLine(
            label="steps of others to look at",
            admin_list="governance_reviewitem",
            narrowed={"looked": "mine"},
            rows=lambda user, now: ReviewItem.objects.filter(reviewed_at=None).exclude(opened_by=user),
            mark=WAIT,
        ),
    )
)
