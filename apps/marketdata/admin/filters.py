from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from apps.core.admin_filters import Question, YesNo
from apps.marketdata.choices import GONE
from apps.marketdata.models import Market
from apps.marketdata.selectors import feeds_stale

# The exchange may add to its own; a market with another status is found by its ticker.
_STATUSES = ("initialized", "inactive", "active", "closed", "determined", "disputed", "amended", "finalized", GONE)


class Stale(YesNo):
    title = "Is the feed stale?"
    parameter_name = "stale"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.filter(pk__in=feeds_stale(now=now))


class OpenNow(YesNo):
    title = "Does it take orders now?"
    parameter_name = "open"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.filter(pk__in=Market.objects.open_at(now).values("pk"))


class ClosesSoon(Question):
    title = "Does it close soon?"
    parameter_name = "closes"
    answers = {"hour": "Within an hour", "day": "Within a day"}

    def narrow(self, queryset: QuerySet, answer: str, request: HttpRequest, now: datetime) -> QuerySet:
        span = timedelta(hours=1) if answer == "hour" else timedelta(days=1)
        return queryset.filter(close_at__gt=now, close_at__lte=now + span)


class MarketStatus(Question):
    title = "What is its status?"
    parameter_name = "status"
    answers = {word: word.capitalize() for word in _STATUSES}

    def narrow(self, queryset: QuerySet, answer: str, request: HttpRequest, now: datetime) -> QuerySet:
        return queryset.filter(status=answer)


class OwnFees(YesNo):
    title = "Has it fees of its own?"
    parameter_name = "own_fees"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.exclude(fee_type_override=None, fee_multiplier_override=None)


class Complete(YesNo):
    title = "Is the file complete?"
    parameter_name = "complete"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.exclude(sha256="")


class SideMissing(Question):
    title = "Was a side empty?"
    parameter_name = "empty"
    answers = {"yes": "Yes"}

    def narrow(self, queryset: QuerySet, answer: str, request: HttpRequest, now: datetime) -> QuerySet:
        return queryset.filter(Q(best_bid=None) | Q(best_ask=None))


class Taker(Question):
    title = "What did the taker do?"
    parameter_name = "taker"
    answers = {"bid": "Bought YES", "ask": "Sold YES"}

    def narrow(self, queryset: QuerySet, answer: str, request: HttpRequest, now: datetime) -> QuerySet:
        return queryset.filter(taker_side=answer)
