from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib import admin
from django.db.models import F, QuerySet

from apps.core.admin_columns import OK, STOP, answer, contracts, count, money, number, price
from apps.core.admin_filters import YesNo, asks, happened
from apps.core.admin_index import WAITING, Waiting
from apps.core.adminsite import DATA, REVIEW, RUN, BulkFactsAdmin, ReadOnlyAdmin
from apps.trading.models import CashEntry, LiquidityInterval, Position, Reconciliation, Settlement


class Holding(YesNo):
    title = "Is anything held?"
    parameter_name = "held"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.exclude(quantity=0)


class Losing(YesNo):
    title = "Has closing lost money so far?"
    parameter_name = "lost"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.filter(realized_pnl__lt=F("fees"))


class Narrowed(YesNo):
    title = "Did we narrow the spread?"
    parameter_name = "narrowed"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.filter(spread_with__lt=F("spread_without"))


@admin.register(Position)
class PositionAdmin(ReadOnlyAdmin):
    job = RUN
    question = "What do we hold, what did it cost, and what has closing brought?"
    list_display = (
        "market",
        "account",
        contracts("quantity", "Held, YES +, NO -"),
        money("cost"),
        money("realized_pnl", "Realized before fees"),
        money("fees", places=4),
        "updated_at",
    )
    list_select_related = ("market", "account")
    list_filter = (Holding, Losing, ("account", asks("Which account?", admin.RelatedOnlyFieldListFilter)))
    search_fields = ("market__ticker",)
    console_page = ("console:market", "market.ticker")

    def index_rows(self, now: datetime) -> tuple[str, QuerySet] | None:
        return "held", Position.objects.exclude(quantity=0)


@admin.register(CashEntry)
class CashEntryAdmin(BulkFactsAdmin):
    job = REVIEW
    question = "What moved the cash, and what was the balance after it?"
    list_display = ("id", "at", "account", "kind", "reference", money("amount"), money("balance"))
    list_select_related = ("account",)
    list_filter = (("kind", asks("What moved the cash?")), happened("at", "When did it move?"))
    search_fields = ("=reference",)
    search_help_text = "The whole trade id, market or session that caused it"
    console_page = ("console:positions", "")


@admin.register(Settlement)
class SettlementAdmin(BulkFactsAdmin):
    job = REVIEW
    question = "What did positions become when their markets settled?"
    list_display = (
        "settled_at", "market", "account", "result", contracts("quantity", "Held"), price("value", "Per contract"),
        money("revenue"), money("fee", places=4),
    )  # fmt: skip
    list_select_related = ("market", "account")
    list_filter = (happened("settled_at", "When was it settled?"),)
    search_fields = ("=market__ticker",)
    search_help_text = "A market's whole ticker"
    console_page = ("console:market", "market.ticker")


@admin.register(Reconciliation)
class ReconciliationAdmin(BulkFactsAdmin):
    job = REVIEW
    question = "Do our records agree with the exchange's, and since when not?"
    list_display = (
        "id",
        "at",
        "account",
        "trigger",
        answer("is_clean", "Agreed", yes=(OK, "agreed"), no=(STOP, "differs")),
        money("cash_drift", places=6),
        count("orders_open"),
        count("orders_unknown"),
    )
    list_select_related = ("account",)
    list_filter = (
        ("is_clean", asks("Did everything agree?", admin.BooleanFieldListFilter)),
        happened("at", "When was it compared?"),
    )
    search_fields = ("=account__name", "=trigger")
    search_help_text = "An account's name or the trigger"
    deferred_in_list = ("position_differences", "order_differences", "missing")
    console_page = ("console:positions", "")


@admin.register(LiquidityInterval)
class LiquidityIntervalAdmin(BulkFactsAdmin):
    job = DATA
    question = "How much liquidity rested where, and how much narrower was the spread for it?"
    list_display = (
        "id",
        "started_at",
        "ended_at",
        "market",
        money("bid_dollars", "Bids"),
        money("ask_dollars", "Asks"),
        number("spread_with", "Spread with us, $"),
        number("spread_without", "Without us, $"),
    )
    list_select_related = ("market",)
    list_filter = (happened("started_at", "When did it rest?"), Narrowed)
    search_fields = ("=market__ticker",)
    search_help_text = "A market's whole ticker"
    console_page = ("console:market", "market.ticker")


WAITING.append(
    Waiting(
        label="comparisons with the exchange of the last hour that differ",
        admin_list="trading_reconciliation",
        narrowed={"is_clean__exact": "0", "at_within": "hour"},
        rows=lambda user, now: Reconciliation.objects.filter(is_clean=False, at__gte=now - timedelta(hours=1)),
        mark=STOP,
    )
)
