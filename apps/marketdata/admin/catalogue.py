from __future__ import annotations

from datetime import datetime

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from apps.core.admin_columns import contracts, number
from apps.core.admin_filters import asks
from apps.core.adminsite import DATA, BulkFactsAdmin, ReadOnlyAdmin
from apps.engine.decimals import format_money, format_price
from apps.engine.errors import EngineError
from apps.marketdata.exceptions import GridInvalid
from apps.marketdata.mapping import market_grid
from apps.marketdata.models import Event, Market, Series
from apps.marketdata.selectors import fee_rule_for

from .filters import ClosesSoon, MarketStatus, OpenNow, OwnFees


@admin.register(Series)
class SeriesAdmin(ReadOnlyAdmin):
    job = DATA
    question = "How is a series charged, and which category does it count to?"
    list_display = ("ticker", "title", "category", "fee_type", number("fee_multiplier"), "updated_at")
    list_filter = (
        ("fee_type", asks("How is it charged?", admin.AllValuesFieldListFilter)),
        ("category", asks("Which category?", admin.AllValuesFieldListFilter)),
    )
    search_fields = ("ticker", "title")
    palette_key = "ticker"


@admin.register(Event)
class EventAdmin(BulkFactsAdmin):
    job = DATA
    question = "Which events are there, and which are charged differently from their series?"
    list_display = ("ticker", "title", "series", "fee_type_override", number("fee_multiplier_override"), "updated_at")
    list_filter = (OwnFees,)
    list_select_related = ("series",)
    search_fields = ("ticker", "title", "series__ticker")
    palette_key = "ticker"


@admin.register(Market)
class MarketAdmin(BulkFactsAdmin):
    job = DATA
    question = "Which markets take orders now, and which close soon?"
    list_display = (
        "ticker", "title", "status", "close_at", "result", contracts("volume"), contracts("open_interest"),
        "updated_at",
    )  # fmt: skip
    list_filter = (OpenNow, ClosesSoon, MarketStatus)
    search_fields = ("ticker", "title", "event__ticker")
    readonly_fields = ("grid", "fees")
    deferred_in_list = ("price_ranges",)
    palette_key = "ticker"
    console_page = ("console:market", "ticker")

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("event__series")

    def index_rows(self, now: datetime) -> tuple[str, QuerySet] | None:
        return "open", Market.objects.open_at(now)

    @admin.display(description="Tradable prices")
    def grid(self, market: Market) -> str:
        try:
            prices = market_grid(market).prices
        except GridInvalid as e:
            return f"Cannot be quoted: {e.message}"
        return f"{len(prices)} prices from {format_price(prices[0])} to {format_price(prices[-1])}"

    @admin.display(description="Fees in force")
    def fees(self, market: Market) -> str:
        try:
            rule = fee_rule_for(market=market, at=timezone.now())
        except EngineError as e:
            return f"Cannot be traded: {e}"
        return f"{rule.fee_type}, multiplier {format_money(rule.multiplier_micro)}"
