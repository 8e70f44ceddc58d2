from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib import admin
from django.db.models import QuerySet

from apps.core.admin_columns import IDLE, OK, STOP, WAIT, WARN, answer, count, status
from apps.core.admin_filters import YesNo, asks
from apps.core.adminsite import RUN, ReadOnlyAdmin
from apps.core.admintasks import AdminTask, TaskCall
from apps.trading.choices import Permission, SessionState
from apps.trading.models import Account, TradingSession
from apps.trading.services.sessions import session_restart

_SESSION_MARKS = {
    SessionState.STARTING: WAIT,
    SessionState.RECONCILING: WAIT,
    SessionState.RUNNING: OK,
    SessionState.PAUSED: WARN,
    SessionState.STOPPING: WAIT,
    SessionState.STOPPED: IDLE,
    SessionState.FAILED: STOP,
}
_SILENT_AFTER = timedelta(seconds=15)


class Running(YesNo):
    title = "Is it still running?"
    parameter_name = "running"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.filter(ended_at=None)


class Silent(YesNo):
    title = "Has it gone silent?"
    parameter_name = "silent"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.filter(ended_at=None, heartbeat_at__lt=now - _SILENT_AFTER)


@admin.register(Account)
class AccountAdmin(ReadOnlyAdmin):
    job = RUN
    question = "On which accounts do we trade, and with real money or not?"
    list_display = (
        "name",
        "venue",
        "environment",
        answer("is_active", "In use", yes=(OK, "in use"), no=(IDLE, "not in use")),
        "created_at",
    )
    list_filter = (
        ("environment", asks("Where does it trade?")),
        ("is_active", asks("Is it in use?", admin.BooleanFieldListFilter)),
    )
    search_fields = ("name",)
    palette_key = "name"
    console_page = ("console:mission", "")


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
    question = "Which session trades which account, since when, and why did the last one end?"
    object_tasks = (RESTART,)
    selection_tasks = (RESTART,)
    list_display = (
        "id",
        "account",
        status("state", _SESSION_MARKS),
        "reason",
        "started_at",
        "heartbeat_at",
        "ended_at",
        "release",
        count("fencing_token"),
    )
    list_display_links = ("id", "account")
    list_select_related = ("account",)
    list_filter = (Running, Silent, ("state", asks("What state is it in?")))
    search_fields = ("account__name", "holder", "release")
    deferred_in_list = ("counters",)
    console_page = ("console:mission", "")

    def index_rows(self, now: datetime) -> tuple[str, QuerySet] | None:
        return "running", TradingSession.objects.filter(ended_at=None)
