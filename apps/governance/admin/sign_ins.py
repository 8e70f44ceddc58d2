"""Where people are signed in. Recovery codes have no list: their digests are nobody's business."""

from __future__ import annotations

from datetime import datetime

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.admin_filters import Question, YesNo, asks, happened
from apps.core.adminsite import PEOPLE, BulkFactsAdmin
from apps.governance.models import SignIn


class Signed(YesNo):
    title = "Does it still stand?"
    parameter_name = "stands"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.filter(ended_at=None)


class Mine(Question):
    title = "Whose is it?"
    parameter_name = "whose"
    answers = {"mine": "Mine", "others": "Somebody else's"}

    def narrow(self, queryset: QuerySet, answer: str, request: HttpRequest, now: datetime) -> QuerySet:
        mine = {"user_id": request.user.pk}
        return queryset.filter(**mine) if answer == "mine" else queryset.exclude(**mine)


@admin.register(SignIn)
class SignInAdmin(BulkFactsAdmin):
    job = PEOPLE
    question = "Who is signed in where, with which factor, and why did others end?"
    list_display = ("id", "user", "method", "started_at", "seen_at", "ended_at", "ended_because", "address", "browser")
    list_display_links = ("id", "user")
    list_select_related = ("user",)
    list_filter = (
        Signed,
        Mine,
        happened("started_at", "When did it begin?"),
        ("ended_because", asks("Why did it end?")),
    )
    search_fields = ("=user__username", "=address")
    search_help_text = "A whole name or address"
    # Not the digest of the session: it is of no use to anybody who may look here.
    fields = ("user", "method", "started_at", "seen_at", "ended_at", "ended_because", "address", "browser")
