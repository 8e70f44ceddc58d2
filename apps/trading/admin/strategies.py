from __future__ import annotations

from datetime import datetime

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from apps.core.admin_columns import IDLE, OK, STOP, WAIT, answer, count, lamp, status
from apps.core.admin_filters import Question, YesNo, asks, happened
from apps.core.adminsite import DATA, LIMITS, REVIEW, ApprovalAdmin, ReadOnlyAdmin, ReadOnlyInline, json_html
from apps.core.admintasks import AdminTask, TaskCall, asked_text
from apps.governance.choices import ApprovalStatus
from apps.governance.choices import Permission as GovernancePermission
from apps.trading.choices import ParameterStatus
from apps.trading.forms import ParametersForm
from apps.trading.models import ParameterSet, Strategy, StrategyConfig, StrategyVersion
from apps.trading.services.parameters import parameters_propose

_SET_MARKS = {ParameterStatus.APPROVED: OK, ParameterStatus.RETIRED: IDLE}


def _propose(call: TaskCall) -> str:
    form_values = {name: text for name, text in call.data.items() if name != "reason"}
    request = parameters_propose(
        config=call.obj, values=form_values, reason=call.data["reason"], actor=call.actor, now=call.now
    )
    return asked_text(request.pk, at_once=request.status == ApprovalStatus.APPLIED)


PROPOSE = AdminTask(
    name="propose",
    label="Propose parameters",
    explanation="The session keeps the parameters in force until others have signed these. A change that only lowers "
    "risk is in force at once, and somebody looks at it afterwards.",
    permission=GovernancePermission.PROPOSE_CHANGE.full,
    perform=_propose,
    make_form=lambda obj, data: ParametersForm(data, config=obj),
    icon="edit_note",
)


class Reviewed(YesNo):
    title = "Was the code reviewed?"
    parameter_name = "reviewed"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.exclude(reviewed_at=None)


class RaisedRisk(Question):
    title = "Did it raise risk?"
    parameter_name = "raised"
    answers = {"yes": "Yes, or nobody can tell", "no": "No"}

    def narrow(self, queryset: QuerySet, answer: str, request: HttpRequest, now: datetime) -> QuerySet:
        asked_for = queryset.exclude(approval=None)
        raising = {"approval__risk__in": ("raises", "unknown")}
        return asked_for.filter(**raising) if answer == "yes" else asked_for.exclude(**raising)


class ParameterSetInline(ReadOnlyInline):
    model = ParameterSet
    verbose_name_plural = "parameters, newest first"
    fields = ("number", "status", "values", "created_by", "created_at", "approval")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[ParameterSet]:
        return super().get_queryset(request).select_related("created_by", "approval", "config__version__strategy")


@admin.register(StrategyConfig)
class StrategyConfigAdmin(ApprovalAdmin):
    job = LIMITS
    question = "Which strategy is switched on where, on which markets and on which rung of the ladder?"
    list_display = (
        "strategy",
        "account",
        answer("is_enabled", "State", yes=(OK, "switched on"), no=(IDLE, "off")),
        "rung",
        "scope",
        count("max_markets", "Markets at most"),
        "updated_at",
    )
    list_select_related = ("account", "version__strategy")
    list_filter = (
        ("is_enabled", asks("Is it switched on?", admin.BooleanFieldListFilter)),
        ("rung", asks("On which rung?")),
        ("account", asks("Which account?", admin.RelatedOnlyFieldListFilter)),
    )
    search_fields = ("version__strategy__name", "version__strategy__slug", "account__name")
    fields = ("account", "version", "scope", "max_markets", "is_enabled", "rung", "approval", "updated_at")
    inlines = (ParameterSetInline,)
    object_tasks = (PROPOSE,)
    console_page = ("console:strategy", "version.strategy.slug")

    def get_queryset(self, request: HttpRequest) -> QuerySet[StrategyConfig]:
        return super().get_queryset(request).select_related("account", "version__strategy")

    def index_rows(self, now: datetime) -> tuple[str, QuerySet] | None:
        return "on", StrategyConfig.objects.filter(is_enabled=True)

    @display(description="Strategy", ordering="version__strategy__name")
    def strategy(self, obj: StrategyConfig) -> str:
        return obj.version.strategy.name

    @display(description="Markets")
    def scope(self, obj: StrategyConfig) -> str:
        return ", ".join(obj.markets) or "none"


@admin.register(ParameterSet)
class ParameterSetAdmin(ApprovalAdmin):
    job = REVIEW
    question = "Which parameters were in force when, and who asked for them?"
    list_display = (
        count("number"), "config", status("status", _SET_MARKS, unknown=WAIT), "params_hash", "created_by",
        "created_at", "approval",
    )  # fmt: skip
    list_display_links = ("config",)
    list_select_related = ("config__account", "config__version__strategy", "created_by", "approval")
    list_filter = (
        ("status", asks("Is it in force?")), RaisedRisk, happened("created_at", "When was it made?"),
    )  # fmt: skip
    search_fields = ("=params_hash", "config__version__strategy__slug", "config__account__name")
    fields = ("config", "number", "status", "values_text", "params_hash", "approval", "created_by", "created_at")
    deferred_in_list = ("values", "overrides", "stored")
    console_page = ("console:parameters-propose", "config_id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ParameterSet]:
        rows = super().get_queryset(request)
        return rows.select_related("config__account", "config__version__strategy", "created_by", "approval")

    @display(description="Values")
    def values_text(self, obj: ParameterSet) -> str:
        return json_html({"values": obj.values, "overrides": obj.overrides, "stored": obj.stored})


@admin.register(Strategy)
class StrategyAdmin(ReadOnlyAdmin):
    job = DATA
    question = "Which ways to trade are there?"
    no_filter = "a handful of rows, one for each strategy in the code"
    list_display = ("name", "slug", "kernel", "description")
    search_fields = ("slug", "name")
    palette_key = "slug"
    console_page = ("console:strategy", "slug")


@admin.register(StrategyVersion)
class StrategyVersionAdmin(ReadOnlyAdmin):
    job = REVIEW
    question = "Which code may run, who reviewed it, and for which markets?"
    list_display = ("strategy", "code_hash", "created_at", "review_status", "reviewed_by", "reviewed_at")
    list_display_links = ("strategy", "code_hash")
    list_select_related = ("strategy", "reviewed_by")
    list_filter = (
        Reviewed,
        ("strategy", asks("Which strategy?", admin.RelatedOnlyFieldListFilter)),
        happened("created_at", "When was it made?"),
    )
    search_fields = ("code_hash", "strategy__slug", "notes")
    console_page = ("console:strategy", "strategy.slug")

    def get_queryset(self, request: HttpRequest) -> QuerySet[StrategyVersion]:
        return super().get_queryset(request).select_related("strategy", "reviewed_by", "approval")

    @display(description="Review", ordering="reviewed_at")
    def review_status(self, obj: StrategyVersion) -> str:
        return lamp(OK, "reviewed") if obj.is_reviewed else lamp(STOP, "not reviewed")
