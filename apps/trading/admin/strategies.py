from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from apps.core.adminsite import LIMITS, REVIEW, ApprovalAdmin, ReadOnlyAdmin, ReadOnlyInline, asks, json_html
from apps.core.admintasks import AdminTask, TaskCall
from apps.governance.choices import Permission as GovernancePermission
from apps.trading.forms import ParametersForm
from apps.trading.models import ParameterSet, Strategy, StrategyConfig, StrategyVersion
from apps.trading.services.parameters import parameters_propose


def _propose(call: TaskCall) -> str:
    form_values = {name: text for name, text in call.data.items() if name != "reason"}
    request = parameters_propose(
        config=call.obj, values=form_values, reason=call.data["reason"], actor=call.actor, now=call.now
    )
    return f"Request {request.pk} waits for another person. The parameters in force have not changed."


PROPOSE = AdminTask(
    name="propose",
    label="Propose parameters",
    explanation="The session keeps the parameters in force until another person has approved these.",
    permission=GovernancePermission.PROPOSE_CHANGE.full,
    perform=_propose,
    make_form=lambda obj, data: ParametersForm(data, config=obj),
    icon="edit_note",
)


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
    list_display = ("strategy", "account", "is_enabled", "scope", "updated_at")
    list_select_related = ("account", "version__strategy")
    list_filter = (("is_enabled", asks("Is it switched on?", admin.BooleanFieldListFilter)),)
    fields = ("account", "version", "scope", "max_markets", "is_enabled", "updated_at")
    inlines = (ParameterSetInline,)
    object_tasks = (PROPOSE,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[StrategyConfig]:
        return super().get_queryset(request).select_related("account", "version__strategy")

    @display(description="Strategy", ordering="version__strategy__name")
    def strategy(self, obj: StrategyConfig) -> str:
        return obj.version.strategy.name

    @display(description="Markets")
    def scope(self, obj: StrategyConfig) -> str:
        return ", ".join(obj.markets) or "none"


@admin.register(ParameterSet)
class ParameterSetAdmin(ApprovalAdmin):
    job = REVIEW
    list_display = ("number", "config", "status", "params_hash", "created_by", "created_at")
    list_select_related = ("config__account", "config__version__strategy", "created_by")
    list_filter = (("status", asks("Is it in force?")),)
    fields = ("config", "number", "status", "values_text", "params_hash", "approval", "created_by", "created_at")

    @display(description="Values")
    def values_text(self, obj: ParameterSet) -> str:
        return json_html(obj.values)


@admin.register(Strategy)
class StrategyAdmin(ReadOnlyAdmin):
    job = REVIEW
    list_display = ("name", "slug", "kernel")


@admin.register(StrategyVersion)
class StrategyVersionAdmin(ReadOnlyAdmin):
    job = REVIEW
    list_display = ("strategy", "code_hash", "created_at", "notes")
    list_select_related = ("strategy",)
