from __future__ import annotations

from django.contrib import admin

from apps.core.adminsite import RUN, ReadOnlyAdmin, ReadOnlyInline, asks
from apps.trading.models import LegPlan, OrderGroup, OrderRequest, PlanLeg


class PlanLegInline(ReadOnlyInline):
    model = PlanLeg
    fields = ("ordinal", "market", "side", "price", "quantity", "filled", "unwound", "state")
    readonly_fields = fields


@admin.register(LegPlan)
class LegPlanAdmin(ReadOnlyAdmin):
    job = RUN
    list_display = ("id", "created_at", "account", "state", "requested_by", "outcome")
    list_select_related = ("account",)
    list_filter = (("state", asks("How far is it?")),)
    inlines = (PlanLegInline,)


@admin.register(PlanLeg)
class PlanLegAdmin(ReadOnlyAdmin):
    job = RUN
    list_display = ("plan", "ordinal", "market", "side", "price", "quantity", "filled", "unwound", "state")
    list_select_related = ("plan", "market")


@admin.register(OrderRequest)
class OrderRequestAdmin(ReadOnlyAdmin):
    job = RUN
    list_display = ("id", "requested_at", "requested_by", "market", "side", "price", "quantity", "state", "outcome")
    list_select_related = ("requested_by", "market")
    list_filter = (("state", asks("What became of it?")),)


@admin.register(OrderGroup)
class OrderGroupAdmin(ReadOnlyAdmin):
    job = RUN
    list_display = ("account", "exchange_index", "slot", "contracts_limit", "is_triggered", "updated_at")
    list_select_related = ("account",)
    list_filter = (("is_triggered", asks("Is it stopped?")),)
