from __future__ import annotations

from datetime import datetime

from django.contrib import admin
from django.db.models import QuerySet

from .admin_columns import count
from .admin_filters import YesNo
from .adminsite import RUN, ReadOnlyAdmin
from .models import Lease


class Held(YesNo):
    title = "Is it held now?"
    parameter_name = "held"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.filter(expires_at__gt=now)


@admin.register(Lease)
class LeaseAdmin(ReadOnlyAdmin):
    job = RUN
    question = "Which process may act for an account or a feed, and until when?"
    list_display = ("name", "holder", count("token"), "expires_at")
    list_filter = (Held,)
    search_fields = ("name", "holder")
