from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apps.core.adminsite import ReadOnlyAdmin
from apps.trading.models import Account

from .models import MetricExport
from .selectors import VOLUME_WINDOW
from .services import liquidity_export


def _download(request: HttpRequest, account: Account, span: timedelta) -> HttpResponse:
    now = timezone.now()
    name, content = liquidity_export(
        account=account, window_start=now - span, window_end=now, actor=request.user, now=now
    )
    return HttpResponse(
        content,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


@admin.action(description="Download the liquidity CSV of the last 30 days")
def download_liquidity(modeladmin: Any, request: HttpRequest, queryset: QuerySet[Account]) -> HttpResponse | None:
    accounts = list(queryset[:2])
    if len(accounts) != 1:
        modeladmin.message_user(request, "Choose exactly one account.", messages.ERROR)
        return None
    return _download(request, accounts[0], VOLUME_WINDOW)


@admin.register(MetricExport)
class MetricExportAdmin(ReadOnlyAdmin):
    list_display = ["name", "window_start", "window_end", "rows", "sha256", "created_by", "created_at"]
    list_filter = ["name", "created_at"]
    list_select_related = ["created_by"]
    search_fields = ["name", "sha256"]
    date_hierarchy = "created_at"
    list_before_template = "admin/analytics/metricexport/new_export.html"


# The account list belongs to trading, which may not import analytics; the layer above hangs its action onto it.
if admin.site.is_registered(Account):
    _account_admin = admin.site.get_model_admin(Account)
    _account_admin.actions = [*(_account_admin.actions or ()), download_liquidity]
