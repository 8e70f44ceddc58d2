from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apps.core.admin_columns import count
from apps.core.admin_filters import Question, asks, happened
from apps.core.adminsite import REVIEW, ReadOnlyAdmin, json_html
from apps.trading.models import Account

from .models import LiquidityCheckRun, MetricExport
from .selectors import VOLUME_WINDOW
from .services import liquidity_export


def _download(request: HttpRequest, account: Account, span: timedelta) -> HttpResponse:
    now = timezone.now()
    name, content = liquidity_export(
        account=account, window_start=now - span, window_end=now, actor=request.user, now=now
    )
    return HttpResponse(
        content,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


@admin.action(description="Download the liquidity CSV of the last 30 days")
def download_liquidity(modeladmin: Any, request: HttpRequest, queryset: QuerySet[Account]) -> HttpResponse | None:
    accounts = list(queryset[:2])
    if len(accounts) != 1:
        modeladmin.message_user(request, "Choose exactly one account.", messages.ERROR)
        return None
    return _download(request, accounts[0], VOLUME_WINDOW)


class Whose(Question):
    title = "Who took it?"
    parameter_name = "whose"
    answers = {"mine": "I did", "platform": "The platform did"}

    def narrow(self, queryset: QuerySet, answer: str, request: HttpRequest, now: datetime) -> QuerySet:
        return queryset.filter(created_by_id=request.user.pk if answer == "mine" else None)


@admin.register(MetricExport)
class MetricExportAdmin(ReadOnlyAdmin):
    job = REVIEW
    question = "Which figures left the platform, who took them, and what is their hash?"
    list_display = ("name", "window_start", "window_end", count("rows"), "sha256", "created_by", "created_at")
    list_filter = (
        ("name", asks("Which export?", admin.AllValuesFieldListFilter)),
        happened("created_at", "When was it taken?"),
        Whose,
    )
    list_select_related = ("created_by",)
    search_fields = ("name", "=sha256")
    list_before_template = "admin/analytics/metricexport/new_export.html"
    console_page = ("console:exports", "")


class Verdict(Question):
    title = "How did it end?"
    parameter_name = "verdict"
    answers = {"ok": "Acceptable", "warnings": "With warnings", "errors": "Not acceptable"}

    def narrow(self, queryset: QuerySet, answer: str, request: HttpRequest, now: datetime) -> QuerySet:
        if answer == "errors":
            return queryset.filter(errors__gt=0)
        rows = queryset.filter(errors=0)
        return rows.filter(warnings=0) if answer == "ok" else rows.filter(warnings__gt=0)


@admin.register(LiquidityCheckRun)
class LiquidityCheckRunAdmin(ReadOnlyAdmin):
    job = REVIEW
    question = "When were the eight liquidity checks run, and what did they find?"
    list_display = ("id", "ran_at", "environment", "verdict", count("errors"), count("warnings"), "ran_by")
    list_display_links = ("id", "ran_at")
    list_filter = (Verdict, happened("ran_at", "When was it run?"))
    search_fields = ("ran_by", "release")
    fields = ("ran_at", "environment", "release", "ran_by", "seconds", "verdict", "errors", "warnings", "checks")
    console_page = ("console:compliance-check", "pk")

    @admin.display(description="Checks")
    def checks(self, obj: LiquidityCheckRun) -> str:
        return json_html(obj.results)


# The account list belongs to trading, which may not import analytics; the layer above hangs its action onto it.
if admin.site.is_registered(Account):
    _account_admin = admin.site.get_model_admin(Account)
    _account_admin.actions = [*(_account_admin.actions or ()), download_liquidity]
