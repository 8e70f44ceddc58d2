"""What the promotion ladder is computed from, to be looked at."""

from __future__ import annotations

from datetime import datetime

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.admin_columns import OK, STOP, answer, count, number
from apps.core.admin_filters import YesNo, asks, happened
from apps.core.adminsite import DATA, LIMITS, REVIEW, ReadOnlyAdmin
from apps.trading.models import BacktestEvidence, GateWaiver, ParameterName, StrategyRun


class RunOpen(YesNo):
    title = "Does it run now?"
    parameter_name = "open"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.filter(ended_at=None)


class Profitable(YesNo):
    title = "Is even the lower bound above zero?"
    parameter_name = "above_zero"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.filter(net_bps_low__gt=0)


class WaiverStands(YesNo):
    title = "Does it still stand?"
    parameter_name = "stands"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.filter(expires_at__gt=now)


class Retired(YesNo):
    title = "Is the name retired?"
    parameter_name = "retired"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.exclude(retired_at=None)


@admin.register(StrategyRun)
class StrategyRunAdmin(ReadOnlyAdmin):
    job = DATA
    question = "Which code ran with which parameters, from when to when?"
    list_display = ("id", "version", "parameters", "session", "started_at", "ended_at")
    list_display_links = ("id", "version")
    list_filter = (RunOpen, happened("started_at", "When did it start?"))
    search_fields = ("version__code_hash", "version__strategy__slug")
    console_page = ("console:strategy", "version.strategy.slug")

    def get_queryset(self, request: HttpRequest) -> QuerySet[StrategyRun]:
        rows = super().get_queryset(request)
        return rows.select_related("version__strategy", "parameters", "session__account", "config__account")


@admin.register(BacktestEvidence)
class BacktestEvidenceAdmin(ReadOnlyAdmin):
    job = REVIEW
    question = "Which backtests speak for a version, and do their fees hold?"
    list_display = (
        "id",
        "version",
        "finished_at",
        "data_from",
        "data_until",
        count("fills"),
        number("net_bps", "Net, bps"),
        number("net_bps_low", "Lower bound, bps"),
        answer("is_fee_accurate", "Fees", yes=(OK, "as charged"), no=(STOP, "estimated")),
    )
    list_display_links = ("id", "version")
    list_filter = (
        Profitable,
        ("is_fee_accurate", asks("Are the fees those of the exchange?", admin.BooleanFieldListFilter)),
        happened("finished_at", "When was it finished?"),
    )
    search_fields = ("=run_hash", "=params_hash", "version__strategy__slug")
    console_page = ("console:strategy", "version.strategy.slug")

    def get_queryset(self, request: HttpRequest) -> QuerySet[BacktestEvidence]:
        return super().get_queryset(request).select_related("version__strategy")


@admin.register(GateWaiver)
class GateWaiverAdmin(ReadOnlyAdmin):
    job = LIMITS
    question = "Which gate of the ladder was left open, for which version, and until when?"
    list_display = ("id", "gate", "config", "version", "reason", "created_at", "expires_at", "approval")
    list_display_links = ("id", "gate")
    list_filter = (WaiverStands, ("gate", asks("Which gate?", admin.AllValuesFieldListFilter)))
    search_fields = ("gate", "reason")
    console_page = ("console:strategy", "version.strategy.slug")

    def get_queryset(self, request: HttpRequest) -> QuerySet[GateWaiver]:
        rows = super().get_queryset(request)
        return rows.select_related("config__account", "config__version__strategy", "version__strategy", "approval")

    def index_rows(self, now: datetime) -> tuple[str, QuerySet] | None:
        return "stand", GateWaiver.objects.filter(expires_at__gt=now)


@admin.register(ParameterName)
class ParameterNameAdmin(ReadOnlyAdmin):
    job = DATA
    question = "Which parameter names were ever used, and which must never come back?"
    list_display = ("name", "unit", "first_seen_at", "retired_at")
    list_filter = (Retired,)
    search_fields = ("name",)
