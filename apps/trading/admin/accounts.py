from __future__ import annotations

from django.contrib import admin
from unfold.decorators import display

from apps.core.adminsite import DATA, REVIEW, RUN, BulkFactsAdmin, ReadOnlyAdmin, asks
from apps.core.admintasks import AdminTask, TaskCall
from apps.trading.choices import Permission
from apps.trading.models import (
    Account,
    CashEntry,
    LiquidityInterval,
    Position,
    Reconciliation,
    Settlement,
    TradingSession,
)
from apps.trading.services.sessions import session_restart

_SESSION_COLORS = {"running": "success", "paused": "warning", "failed": "danger", "starting": "info"}


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    job = RUN
    list_display = ("name", "venue", "environment", "is_active", "created_at")
    list_filter = (("environment", asks("Where does it trade?")),)


def _restart(call: TaskCall) -> str:
    session_restart(session=call.obj, actor=call.actor, reason=call.data["reason"], now=call.now)
    return "The session takes its orders off and ends; the next one starts within seconds."


RESTART = AdminTask(
    name="restart",
    label="Restart session",
    explanation="The session cancels its orders, compares its records with the exchange's and ends. The next one "
    "starts within seconds. To keep the account from trading, halt it instead.",
    permission=Permission.OPERATE_SESSION.full,
    perform=_restart,
    is_offered=lambda obj, user: obj.ended_at is None,
    icon="restart_alt",
)


@admin.register(TradingSession)
class TradingSessionAdmin(ReadOnlyAdmin):
    job = RUN
    object_tasks = (RESTART,)
    list_display = ("id", "account", "state_label", "reason", "started_at", "heartbeat_at", "ended_at", "fencing_token")
    list_select_related = ("account",)
    list_filter = (("state", asks("Is it running?")),)

    @display(description="State", label=_SESSION_COLORS)
    def state_label(self, obj: TradingSession) -> tuple[str, str]:
        return obj.state, obj.get_state_display()


@admin.register(Position)
class PositionAdmin(ReadOnlyAdmin):
    job = RUN
    list_display = ("market", "account", "quantity", "cost", "realized_pnl", "fees", "updated_at")
    list_select_related = ("market", "account")
    search_fields = ("market__ticker",)


@admin.register(CashEntry)
class CashEntryAdmin(BulkFactsAdmin):
    job = REVIEW
    list_display = ("id", "at", "account", "kind", "reference", "amount", "balance")
    list_select_related = ("account",)
    list_filter = (("kind", asks("What moved the cash?")),)
    search_fields = ("=reference",)


@admin.register(Settlement)
class SettlementAdmin(ReadOnlyAdmin):
    job = REVIEW
    list_display = ("settled_at", "market", "account", "result", "quantity", "value", "revenue", "fee")
    list_select_related = ("market", "account")
    search_fields = ("market__ticker",)


@admin.register(Reconciliation)
class ReconciliationAdmin(BulkFactsAdmin):
    job = REVIEW
    list_display = ("id", "at", "account", "trigger", "is_clean", "cash_drift", "orders_open", "orders_unknown")
    list_select_related = ("account",)
    list_filter = (("is_clean", asks("Did everything agree?", admin.BooleanFieldListFilter)),)


@admin.register(LiquidityInterval)
class LiquidityIntervalAdmin(BulkFactsAdmin):
    job = DATA
    list_display = (
        "id",
        "started_at",
        "ended_at",
        "market",
        "bid_dollars",
        "ask_dollars",
        "spread_with",
        "spread_without",
    )
    list_select_related = ("market",)
    search_fields = ("market__ticker",)
