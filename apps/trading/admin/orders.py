from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from apps.core.adminsite import REVIEW, RUN, BulkFactsAdmin, ReadOnlyInline, asks
from apps.trading.models import Decision, Fill, Order, OrderEvent

_ORDER_COLORS = {
    "denied": "warning",
    "rejected": "danger",
    "unknown": "danger",
    "accepted": "info",
    "partially_filled": "info",
    "filled": "success",
}


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
    list_display = (
        "id",
        "created_at",
        "market",
        "side",
        "price",
        "quantity",
        "filled",
        "remaining",
        "state_label",
        "outcome",
    )
    list_display_links = ("id", "created_at")
    list_select_related = ("market",)
    list_filter = (("status", asks("Where does it stand?")), ("side", asks("Buying or selling YES?")))
    search_fields = ("=client_order_id", "=venue_order_id", "market__ticker")
    search_help_text = "Our order id, the exchange's order id, or part of a market ticker"
    inlines = (OrderEventInline, FillInline)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        return super().get_queryset(request).select_related("market", "account", "session__account")

    @display(description="Status", label=_ORDER_COLORS)
    def state_label(self, obj: Order) -> tuple[str, str]:
        return obj.status, obj.get_status_display()


@admin.register(OrderEvent)
class OrderEventAdmin(BulkFactsAdmin):
    list_display = ("id", "at", "order_id", "kind", "source", "status")
    list_filter = (("source", asks("Who says so?")),)
    search_fields = ("=order__client_order_id",)
    search_help_text = "Our order id"
    raw_id_fields = ("order",)


@admin.register(Fill)
class FillAdmin(BulkFactsAdmin):
    job = RUN
    list_display = ("id", "filled_at", "market", "side", "price", "quantity", "fee", "predicted_fee", "is_taker")
    list_select_related = ("market",)
    list_filter = (
        ("is_taker", asks("Did we take?", admin.BooleanFieldListFilter)),
        ("side", asks("Bought or sold YES?")),
    )
    search_fields = ("=trade_id", "=order__client_order_id", "market__ticker")
    search_help_text = "Trade id, our order id, or part of a market ticker"


@admin.register(Decision)
class DecisionAdmin(BulkFactsAdmin):
    job = REVIEW
    list_display = (
        "id",
        "at",
        "market",
        "reason",
        "best_bid",
        "best_ask",
        "bid_price",
        "ask_price",
        "position",
        "trigger",
    )
    list_select_related = ("market",)
    search_fields = ("=reason", "market__ticker")
    search_help_text = "Exact reason, e.g. spread_below_minimum, or part of a market ticker"
