from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib import admin
from django.db.models import F, Q, QuerySet
from django.http import HttpRequest

from apps.core.admin_columns import IDLE, OK, STOP, WAIT, WARN, answer, contracts, count, money, price, status
from apps.core.admin_filters import SPANS, Question, asks, happened
from apps.core.admin_index import WAITING, Waiting
from apps.core.adminsite import DATA, REVIEW, RUN, BulkFactsAdmin, ReadOnlyInline
from apps.trading.choices import OrderStatus
from apps.trading.models import Decision, Fill, Order, OrderEvent
from apps.trading.selectors import OPEN_STATUSES

_ORDER_MARKS = {
    OrderStatus.INITIALIZED: WAIT,
    OrderStatus.DENIED: WARN,
    OrderStatus.SUBMITTED: WAIT,
    OrderStatus.ACCEPTED: OK,
    OrderStatus.PARTIALLY_FILLED: OK,
    OrderStatus.FILLED: OK,
    OrderStatus.PENDING_CANCEL: WAIT,
    OrderStatus.CANCELED: IDLE,
    OrderStatus.REJECTED: STOP,
    OrderStatus.EXPIRED: IDLE,
    OrderStatus.UNKNOWN: STOP,
}
_WAITED_FOR = (OrderStatus.SUBMITTED, OrderStatus.PENDING_CANCEL, OrderStatus.UNKNOWN)


class Resting(Question):
    title = "Does it rest?"
    parameter_name = "resting"
    answers = {"yes": "Yes, or it may", "hour": "For longer than an hour", "no": "No"}

    def narrow(self, queryset: QuerySet, answer: str, request: HttpRequest, now: datetime) -> QuerySet:
        if answer == "no":
            return queryset.exclude(status__in=OPEN_STATUSES)
        rests = queryset.filter(status__in=OPEN_STATUSES)
        return rests.filter(created_at__lt=now - timedelta(hours=1)) if answer == "hour" else rests


class Refused(Question):
    title = "Was it refused?"
    parameter_name = "refused"
    answers = {
        "denied_hour": "Denied by us in the last hour",
        "denied_day": "Denied by us in the last day",
        "rejected_day": "Rejected by the exchange in the last day",
    }

    def narrow(self, queryset: QuerySet, answer: str, request: HttpRequest, now: datetime) -> QuerySet:
        which, _, span = answer.partition("_")
        return queryset.filter(status=which, created_at__gte=now - SPANS[span][1])


class Unanswered(Question):
    title = "Does the exchange owe us an answer?"
    parameter_name = "unanswered"
    answers = {"minute": "For longer than a minute"}

    def narrow(self, queryset: QuerySet, answer: str, request: HttpRequest, now: datetime) -> QuerySet:
        return queryset.filter(status__in=_WAITED_FOR, created_at__lt=now - timedelta(minutes=1))


class FeeAsPredicted(Question):
    title = "Was the fee what we predicted?"
    parameter_name = "fee"
    answers = {"differs": "No", "equal": "Yes", "unknown": "We predicted none"}

    def narrow(self, queryset: QuerySet, answer: str, request: HttpRequest, now: datetime) -> QuerySet:
        if answer == "unknown":
            return queryset.filter(predicted_fee=None)
        known = queryset.exclude(predicted_fee=None)
        return known.filter(fee=F("predicted_fee")) if answer == "equal" else known.exclude(fee=F("predicted_fee"))


class Quoted(Question):
    title = "Did it want to quote?"
    parameter_name = "quoted"
    answers = {"both": "On both sides", "one": "On one side", "no": "No"}

    def narrow(self, queryset: QuerySet, answer: str, request: HttpRequest, now: datetime) -> QuerySet:
        no_bid, no_ask = Q(bid_price=None), Q(ask_price=None)
        wanted = {"both": ~no_bid & ~no_ask, "one": no_bid ^ no_ask, "no": no_bid & no_ask}
        return queryset.filter(wanted[answer])


class OrderEventInline(ReadOnlyInline):
    model = OrderEvent
    verbose_name_plural = "what happened"
    fields = ("at", "kind", "source", "status", "detail")
    readonly_fields = fields


class FillInline(ReadOnlyInline):
    model = Fill
    fields = ("filled_at", "trade_id", "side", "price", "quantity", "fee", "predicted_fee", "is_taker", "source")
    readonly_fields = fields


@admin.register(Order)
class OrderAdmin(BulkFactsAdmin):
    job = RUN
    question = "What did we send, where does it stand, and why was it denied or rejected?"
    list_display = (
        "id",
        "created_at",
        "market",
        "side",
        price("price"),
        contracts("quantity"),
        contracts("filled"),
        status("status", _ORDER_MARKS),
        "outcome",
    )
    list_display_links = ("id", "created_at")
    list_select_related = ("market",)
    list_filter = (
        Resting,
        Refused,
        Unanswered,
        ("status", asks("Where does it stand?")),
        ("mode", asks("How did it come about?")),
        ("side", asks("Buying or selling YES?")),
        happened("created_at", "When was it sent?"),
    )
    search_fields = ("=client_order_id", "=venue_order_id", "=market__ticker")
    search_help_text = "Our order id, the exchange's order id, or a market's whole ticker"
    inlines = (OrderEventInline, FillInline)
    palette_key = "client_order_id"
    console_page = ("console:order", "client_order_id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        return super().get_queryset(request).select_related("market", "account", "session__account")

    def index_rows(self, now: datetime) -> tuple[str, QuerySet] | None:
        return "open", Order.objects.filter(status__in=OPEN_STATUSES)


@admin.register(OrderEvent)
class OrderEventAdmin(BulkFactsAdmin):
    job = DATA
    question = "What happened to orders, step by step, and who says so?"
    list_display = ("id", "at", "order_id", "kind", "source", status("status", _ORDER_MARKS))
    list_filter = (("source", asks("Who says so?")), ("status", asks("Where did it stand after it?")))
    search_fields = ("=order__client_order_id",)
    search_help_text = "Our order id"
    deferred_in_list = ("detail",)
    console_page = ("console:order", "order.client_order_id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[OrderEvent]:
        return super().get_queryset(request).select_related("order")


@admin.register(Fill)
class FillAdmin(BulkFactsAdmin):
    job = RUN
    question = "What was filled, what did it cost, and was the fee as predicted?"
    list_display = (
        "id",
        "filled_at",
        "market",
        "side",
        price("price"),
        contracts("quantity"),
        money("fee", places=4),
        money("predicted_fee", places=4),
        answer("is_taker", "Role", yes=(WARN, "took"), no=(OK, "made")),
    )
    list_display_links = ("id", "filled_at")
    list_select_related = ("market",)
    list_filter = (
        FeeAsPredicted,
        ("is_taker", asks("Did we take?", admin.BooleanFieldListFilter)),
        ("side", asks("Bought or sold YES?")),
        happened("filled_at", "When was it filled?"),
    )
    search_fields = ("=trade_id", "=order__client_order_id", "=market__ticker")
    search_help_text = "A trade id, our order id, or a market's whole ticker"
    console_page = ("console:order", "order.client_order_id")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Fill]:
        return super().get_queryset(request).select_related("market", "order")


@admin.register(Decision)
class DecisionAdmin(BulkFactsAdmin):
    job = REVIEW
    question = "Why did a strategy quote, or why did it not?"
    list_display = (
        "id",
        "at",
        "market",
        "reason",
        price("best_bid"),
        price("best_ask"),
        price("bid_price", "Wanted bid"),
        price("ask_price", "Wanted ask"),
        contracts("position"),
        count("evaluations", "Times"),
        "trigger",
    )
    list_display_links = ("id", "at")
    list_select_related = ("market",)
    list_filter = (Quoted, happened("at", "When was it decided?"))
    search_fields = ("=reason", "=market__ticker")
    search_help_text = "A whole reason, e.g. spread_below_minimum, or a market's whole ticker"
    console_page = ("console:market", "market.ticker")


WAITING.append(
    Waiting(
        label="orders the exchange owes an answer on",
        admin_list="trading_order",
        narrowed={"unanswered": "minute"},
        rows=lambda user, now: Order.objects.filter(status__in=_WAITED_FOR, created_at__lt=now - timedelta(minutes=1)),
        mark=STOP,
    )
)
