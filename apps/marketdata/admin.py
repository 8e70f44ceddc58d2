from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display

from apps.core.adminsite import DATA, RUN, BulkFactsAdmin, ReadOnlyAdmin, asks, json_html
from apps.engine.decimals import format_money, format_price
from apps.engine.errors import EngineError

from .exceptions import GridInvalid
from .mapping import market_grid
from .models import BookSnapshot, Event, Feed, Market, PublicTrade, Recording, Series
from .selectors import fee_rule_for, feeds_stale

_YES_NO = [("yes", "Yes"), ("no", "No")]
_STATE_COLORS = {"live": "success", "degraded": "warning", "down": "danger", "connecting": "info"}


class _YesNoFilter(admin.SimpleListFilter):
    """A question with two answers; `chosen` narrows the list to the rows for which the answer is yes."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return _YES_NO

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() is None:
            return queryset
        yes = self.chosen(queryset).values("pk")
        return queryset.filter(pk__in=yes) if self.value() == "yes" else queryset.exclude(pk__in=yes)

    def chosen(self, queryset: QuerySet) -> QuerySet:
        raise NotImplementedError


class StaleFilter(_YesNoFilter):
    title = "Is the feed stale?"
    parameter_name = "stale"

    def chosen(self, queryset: QuerySet) -> QuerySet:
        return queryset.filter(pk__in=feeds_stale(now=timezone.now()))


class OpenNowFilter(_YesNoFilter):
    title = "Does it take orders now?"
    parameter_name = "open"

    def chosen(self, queryset: QuerySet) -> QuerySet:
        return queryset.filter(pk__in=Market.objects.open_at(timezone.now()).values("pk"))


class OverriddenFilter(_YesNoFilter):
    title = "Has it fees of its own?"
    parameter_name = "own_fees"

    def chosen(self, queryset: QuerySet) -> QuerySet:
        return queryset.exclude(fee_type_override=None, fee_multiplier_override=None)


class CompleteFilter(_YesNoFilter):
    title = "Is the file complete?"
    parameter_name = "complete"

    def chosen(self, queryset: QuerySet) -> QuerySet:
        return queryset.exclude(sha256="")


@admin.register(Series)
class SeriesAdmin(ReadOnlyAdmin):
    job = DATA
    list_display = ["ticker", "title", "category", "fee_type", "fee_multiplier", "updated_at"]
    list_filter = [("fee_type", asks("How is it charged?", admin.AllValuesFieldListFilter)), "category"]
    search_fields = ["ticker", "title"]


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    job = DATA
    list_display = ["ticker", "title", "series", "fee_type_override", "fee_multiplier_override", "updated_at"]
    list_filter = [OverriddenFilter]
    list_select_related = ["series"]
    search_fields = ["ticker", "title", "series__ticker"]


@admin.register(Market)
class MarketAdmin(ReadOnlyAdmin):
    job = DATA
    list_display = ["ticker", "title", "status", "close_at", "result", "volume", "open_interest", "updated_at"]
    list_filter = [OpenNowFilter, ("status", asks("What is its status?", admin.AllValuesFieldListFilter))]
    search_fields = ["ticker", "title", "event__ticker"]
    readonly_fields = ["grid", "fees"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("event__series")

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


class _SeenAdmin(BulkFactsAdmin):
    job = DATA
    list_select_related = ["market"]
    search_fields = ["=market__ticker"]
    search_help_text = "A market's whole ticker"


@admin.register(BookSnapshot)
class BookSnapshotAdmin(_SeenAdmin):
    list_display = ["market", "received_at", "best_bid", "best_ask"]
    fields = ["market", "received_at", "best_bid", "best_ask", "bid_levels", "ask_levels"]
    readonly_fields = ["bid_levels", "ask_levels"]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        queryset = super().get_queryset(request)
        match = request.resolver_match
        is_one = match is not None and "object_id" in match.kwargs
        return queryset if is_one else queryset.defer("bids", "asks")

    @admin.display(description="Bids")
    def bid_levels(self, snapshot: BookSnapshot) -> str:
        return json_html(snapshot.bids)

    @admin.display(description="Asks")
    def ask_levels(self, snapshot: BookSnapshot) -> str:
        return json_html(snapshot.asks)


@admin.register(PublicTrade)
class PublicTradeAdmin(_SeenAdmin):
    list_display = ["trade_id", "market", "price", "quantity", "taker_side", "traded_at", "received_at"]
    search_fields = ["=trade_id", "=market__ticker"]
    search_help_text = "A trade's id or a market's whole ticker"


@admin.register(Feed)
class FeedAdmin(ReadOnlyAdmin):
    job = RUN
    list_display = [
        "name",
        "shown_state",
        "reason",
        "last_frame_at",
        "frames",
        "reconnects",
        "sequence_gaps",
        "refused_frames",
        "updated_at",
    ]
    list_filter = [StaleFilter, ("state", asks("What state is it in?"))]

    @display(description="State", label=_STATE_COLORS, ordering="state")
    def shown_state(self, feed: Feed) -> tuple[str, str]:
        return feed.state, feed.get_state_display()


@admin.register(Recording)
class RecordingAdmin(ReadOnlyAdmin):
    job = DATA
    list_display = ["path", "source", "started_at", "ended_at", "frames", "bytes", "sha256"]
    list_filter = [CompleteFilter, "started_at"]
    search_fields = ["path", "sha256"]
    date_hierarchy = "started_at"
