from __future__ import annotations

from datetime import datetime

from django.contrib import admin
from django.db.models import QuerySet

from apps.core.admin_columns import IDLE, OK, STOP, WAIT, WARN, contracts, count, price, status
from apps.core.admin_filters import asks, happened
from apps.core.admin_index import WAITING, Waiting
from apps.core.adminsite import DATA, RUN, BulkFactsAdmin, ReadOnlyAdmin, json_html
from apps.marketdata.models import BookSnapshot, Feed, PublicTrade, Recording
from apps.marketdata.selectors import feeds_stale

from .filters import Complete, SideMissing, Stale, Taker

_FEED_MARKS = {"live": OK, "degraded": WARN, "down": STOP, "connecting": WAIT, "off": IDLE}


class _SeenAdmin(BulkFactsAdmin):
    job = DATA
    list_select_related = ("market",)
    search_fields: tuple[str, ...] = ("=market__ticker",)
    search_help_text = "A market's whole ticker"
    console_page = ("console:market", "market.ticker")


@admin.register(BookSnapshot)
class BookSnapshotAdmin(_SeenAdmin):
    question = "What did a market's book look like at some moment?"
    list_display = ("market", "received_at", price("best_bid"), price("best_ask"))
    list_filter = (happened("received_at", "When was it seen?"), SideMissing)
    fields = ("market", "received_at", "best_bid", "best_ask", "bid_levels", "ask_levels")
    readonly_fields = ("bid_levels", "ask_levels")
    deferred_in_list = ("bids", "asks")

    @admin.display(description="Bids")
    def bid_levels(self, snapshot: BookSnapshot) -> str:
        return json_html(snapshot.bids)

    @admin.display(description="Asks")
    def ask_levels(self, snapshot: BookSnapshot) -> str:
        return json_html(snapshot.asks)


@admin.register(PublicTrade)
class PublicTradeAdmin(_SeenAdmin):
    question = "What did others trade, and at what price?"
    list_display = ("trade_id", "market", price("price"), contracts("quantity"), "taker", "traded_at", "received_at")
    list_filter = (happened("traded_at", "When was it traded?"), Taker)
    search_fields = ("=trade_id", "=market__ticker")
    search_help_text = "A trade's id or a market's whole ticker"

    @admin.display(description="Taker")
    def taker(self, trade: PublicTrade) -> str:
        return Taker.answers.get(trade.taker_side, trade.taker_side)


@admin.register(Feed)
class FeedAdmin(ReadOnlyAdmin):
    job = RUN
    question = "Is what we trade on still arriving?"
    list_display = (
        "name",
        status("state", _FEED_MARKS),
        "reason",
        "last_frame_at",
        count("frames"),
        count("reconnects"),
        count("sequence_gaps"),
        count("refused_frames"),
        "updated_at",
    )
    list_filter = (Stale, ("state", asks("What state is it in?")))
    search_fields = ("name", "source")
    console_page = ("console:feeds", "")


@admin.register(Recording)
class RecordingAdmin(ReadOnlyAdmin):
    job = DATA
    question = "From which files can a session be replayed, and are they whole?"
    list_display = ("path", "source", "started_at", "ended_at", count("frames"), count("bytes"), "sha256")
    list_filter = (Complete, happened("started_at", "When was it begun?"))
    search_fields = ("path", "sha256")


def _stale(user: object, now: datetime) -> QuerySet[Feed]:
    return Feed.objects.filter(pk__in=feeds_stale(now=now))


WAITING.append(Waiting(label="feeds stale", admin_list="marketdata_feed", narrowed={"stale": "yes"}, rows=_stale))
