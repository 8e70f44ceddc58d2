from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest

from apps.core.admin_columns import IDLE, OK, STOP, WAIT, WARN, answer, contracts, price, status
from apps.core.admin_filters import Question, YesNo, asks, happened
from apps.core.admin_index import WAITING, Waiting
from apps.core.adminsite import RUN, ReadOnlyAdmin, ReadOnlyInline
from apps.core.admintasks import AdminTask, TaskCall
from apps.trading.choices import Permission, PlanState, RequestState
from apps.trading.models import LegPlan, OrderGroup, OrderRequest, PlanLeg
from apps.trading.services.manual_orders import order_request_cancel
from apps.trading.services.plans import plan_stop

_PLAN_MARKS = {
    PlanState.PENDING: WAIT,
    PlanState.WORKING: OK,
    PlanState.COMPLETE: OK,
    PlanState.UNWINDING: WARN,
    PlanState.UNWOUND: IDLE,
    PlanState.LEFT: STOP,
    PlanState.CANCELED: IDLE,
}
_REQUEST_MARKS = {
    RequestState.PENDING: WAIT,
    RequestState.TAKEN: WAIT,
    RequestState.DENIED: WARN,
    RequestState.SENT: OK,
    RequestState.DONE: IDLE,
}
_PLANS_OPEN = (PlanState.PENDING, PlanState.WORKING, PlanState.UNWINDING)
_REQUESTS_OPEN = (RequestState.PENDING, RequestState.TAKEN, RequestState.SENT)


def _stop(call: TaskCall) -> str:
    plan_stop(plan_id=call.obj.pk, reason=call.data["reason"], actor=call.actor, now=call.now)
    return "Stopped: nothing more is entered, and what filled is unwound by the plan's rule."


def _cancel(call: TaskCall) -> str:
    order_request_cancel(request_id=call.obj.pk, reason=call.data["reason"], actor=call.actor, now=call.now)
    return "Canceled, or the session takes its order off."


def _plan_open(obj: Any, user: User) -> bool:
    return obj.state in _PLANS_OPEN and obj.stop_requested_at is None


def _request_open(obj: Any, user: User) -> bool:
    return obj.state in _REQUESTS_OPEN and obj.cancel_requested_at is None


STOP_PLAN = AdminTask(
    name="stop",
    label="Stop plan",
    explanation="Nothing more is entered. What filled already is unwound by the plan's own rule. One person is enough.",
    permission=Permission.PLACE_ORDER.full,
    perform=_stop,
    is_offered=_plan_open,
    icon="stop_circle",
)
CANCEL_REQUEST = AdminTask(
    name="cancel",
    label="Cancel order",
    explanation="A request that was not taken yet ends; otherwise the session takes its order off. One person is "
    "enough.",
    permission=Permission.PLACE_ORDER.full,
    perform=_cancel,
    is_offered=_request_open,
    icon="cancel",
)


class PlanOpen(YesNo):
    title = "Is it still under way?"
    parameter_name = "open"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.filter(state__in=_PLANS_OPEN)


class RequestOpen(Question):
    title = "Is it still open?"
    parameter_name = "open"
    answers = {"yes": "Yes", "mine": "Yes, and I asked for it", "no": "No"}

    def narrow(self, queryset: QuerySet, answer: str, request: HttpRequest, now: datetime) -> QuerySet:
        if answer == "no":
            return queryset.exclude(state__in=_REQUESTS_OPEN)
        rows = queryset.filter(state__in=_REQUESTS_OPEN)
        return rows.filter(requested_by_id=request.user.pk) if answer == "mine" else rows


class PlanLegInline(ReadOnlyInline):
    model = PlanLeg
    fields = ("ordinal", "market", "side", "price", "quantity", "filled", "unwound", "state")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[PlanLeg]:
        return super().get_queryset(request).select_related("market")


@admin.register(LegPlan)
class LegPlanAdmin(ReadOnlyAdmin):
    job = RUN
    question = "Which orders belong together, how far are they, and what was left over?"
    list_display = (
        "id", "created_at", "account", status("state", _PLAN_MARKS), "requested_by", "reason", "ended_at", "outcome",
    )  # fmt: skip
    list_display_links = ("id", "created_at")
    list_select_related = ("account",)
    list_filter = (PlanOpen, ("state", asks("How far is it?")), happened("created_at", "When was it asked for?"))
    search_fields = ("requested_by", "reason")
    inlines = (PlanLegInline,)
    object_tasks = (STOP_PLAN,)
    selection_tasks = (STOP_PLAN,)
    deferred_in_list = ("rule",)
    console_page = ("console:manual", "")

    def index_rows(self, now: datetime) -> tuple[str, QuerySet] | None:
        return "under way", LegPlan.objects.filter(state__in=_PLANS_OPEN)


@admin.register(PlanLeg)
class PlanLegAdmin(ReadOnlyAdmin):
    job = RUN
    question = "Which leg of a plan is filled, and which had to be unwound?"
    list_display = (
        "plan", "ordinal", "market", "side", price("price", "Bound"), contracts("quantity"), contracts("filled"),
        contracts("unwound"), "state",
    )  # fmt: skip
    list_display_links = ("plan", "ordinal")
    list_select_related = ("plan", "market")
    list_filter = (("state", asks("How far is it?", admin.AllValuesFieldListFilter)),)
    search_fields = ("=plan__id", "=market__ticker")
    search_help_text = "A plan's number or a market's whole ticker"
    deferred_in_list = ("client_order_ids",)
    console_page = ("console:market", "market.ticker")


@admin.register(OrderRequest)
class OrderRequestAdmin(ReadOnlyAdmin):
    job = RUN
    question = "What did people ask for by hand, and what became of it?"
    list_display = (
        "id",
        "requested_at",
        "requested_by",
        "market",
        "side",
        price("price"),
        contracts("quantity"),
        status("state", _REQUEST_MARKS),
        "outcome",
    )
    list_display_links = ("id", "requested_at")
    list_select_related = ("requested_by", "market")
    list_filter = (
        RequestOpen, ("state", asks("What became of it?")), happened("requested_at", "When was it asked for?"),
    )  # fmt: skip
    search_fields = ("=market__ticker", "requested_by__username", "reason")
    object_tasks = (CANCEL_REQUEST,)
    selection_tasks = (CANCEL_REQUEST,)
    console_page = ("console:manual", "")

    def index_rows(self, now: datetime) -> tuple[str, QuerySet] | None:
        return "open", OrderRequest.objects.filter(state__in=_REQUESTS_OPEN)


@admin.register(OrderGroup)
class OrderGroupAdmin(ReadOnlyAdmin):
    job = RUN
    question = "Which of the exchange's order groups stopped by itself?"
    list_display = (
        "account",
        "exchange_index",
        "slot",
        contracts("contracts_limit"),
        answer("is_triggered", "State", yes=(STOP, "stopped"), no=(OK, "open")),
        "updated_at",
    )
    list_select_related = ("account",)
    list_filter = (("is_triggered", asks("Is it stopped?", admin.BooleanFieldListFilter)),)
    search_fields = ("=account__name",)
    console_page = ("console:risk", "")


WAITING.append(
    Waiting(
        label="plans that ended with contracts left, this week",
        admin_list="trading_legplan",
        narrowed={"state__exact": PlanState.LEFT, "created_at_within": "week"},
        rows=lambda user, now: LegPlan.objects.filter(state=PlanState.LEFT, created_at__gte=now - timedelta(days=7)),
    )
)
