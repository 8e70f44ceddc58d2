from __future__ import annotations

from datetime import datetime

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from apps.core.admin_columns import IDLE, OK, STOP, WARN, answer, count, money, status
from apps.core.admin_filters import Question, asks, happened
from apps.core.admin_index import WAITING, Waiting
from apps.core.adminsite import LIMITS, REVIEW, RUN, ReadOnlyAdmin
from apps.risk.choices import SwitchState
from apps.risk.models import NavDay, SwitchDrill, SwitchSetting, SwitchStatus

_SWITCH_MARKS = {SwitchState.OK: OK, SwitchState.WARN: WARN, SwitchState.TRIPPED: STOP, SwitchState.NO_INPUT: IDLE}


class Stage(Question):
    """The rungs are the engine's, and which of them were reached is in the rows."""

    title = "Was it in draw-down?"
    parameter_name = "draw_down"
    answers = {"yes": "Yes, below its highest"}

    def narrow(self, queryset: QuerySet, answer: str, request: HttpRequest, now: datetime) -> QuerySet:
        return queryset.filter(nav__lt=F("high_water"))


@admin.register(SwitchStatus)
class SwitchStatusAdmin(ReadOnlyAdmin):
    job = RUN
    question = "Which automatic stop tripped, which one warns, and which has no input?"
    list_display = (
        "account", "key", status("state", _SWITCH_MARKS), "value", "threshold", "input_at", "tripped_at", "message",
    )  # fmt: skip
    list_display_links = ("account", "key")
    list_filter = (
        ("state", asks("What does it show?")),
        happened("tripped_at", "Has it tripped lately?"),
        ("key", asks("Which switch?", admin.AllValuesFieldListFilter)),
    )
    search_fields = ("account", "=key", "message")
    console_page = ("console:switches", "")


@admin.register(SwitchSetting)
class SwitchSettingAdmin(ReadOnlyAdmin):
    job = LIMITS
    question = "Which thresholds differ from the catalogue's?"
    no_filter = "one short row for each switch that was changed"
    list_display = ("key", "threshold_values", count("version"), "updated_at")
    search_fields = ("=key",)
    console_page = ("console:switches", "")

    @display(description="Values")
    def threshold_values(self, obj: SwitchSetting) -> str:
        return ", ".join(f"{name} {value}" for name, value in sorted(obj.values.items())) or "none"


@admin.register(SwitchDrill)
class SwitchDrillAdmin(ReadOnlyAdmin):
    job = REVIEW
    question = "Was every automatic stop tried, and did it trip when it had to?"
    list_display = (
        "key",
        "at",
        answer("passed", "Result", yes=(OK, "passed"), no=(STOP, "failed")),
        "by",
        "trip_detail",
        "control_detail",
    )
    list_filter = (
        ("passed", asks("Did it pass?", admin.BooleanFieldListFilter)),
        happened("at", "When was it tried?"),
        ("key", asks("Which switch?", admin.AllValuesFieldListFilter)),
    )
    search_fields = ("=key", "by")
    console_page = ("console:switches", "")


@admin.register(NavDay)
class NavDayAdmin(ReadOnlyAdmin):
    job = REVIEW
    question = "What was an account worth each day, and how far below its highest?"
    list_display = (
        "day", "account", money("opening_nav", "Opening"), money("nav", "Newest"), money("high_water", "Highest"),
        "stage", "updated_at",
    )  # fmt: skip
    list_filter = (Stage, ("account", asks("Which account?", admin.AllValuesFieldListFilter)))
    search_fields = ("account",)
    date_hierarchy = "day"


WAITING.append(
    Waiting(
        label="automatic stops tripped",
        admin_list="risk_switchstatus",
        narrowed={"state__exact": SwitchState.TRIPPED},
        rows=lambda user, now: SwitchStatus.objects.filter(state=SwitchState.TRIPPED),
        mark=STOP,
    )
)
