from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib import admin
from django.db.models import QuerySet
from unfold.decorators import display

from apps.core.admin_columns import OK, STOP, WAIT, WARN, count, status
from apps.core.admin_filters import YesNo, asks, happened
from apps.core.admin_index import WAITING, Waiting
from apps.core.adminsite import RUN, ReadOnlyAdmin
from apps.core.admintasks import AdminTask, TaskCall, asked_text
from apps.governance.choices import ApprovalStatus
from apps.risk.choices import KillOutcome, Permission, State
from apps.risk.forms import HaltForm, HaltScopeForm, ResumeForm
from apps.risk.models import KillRun, TradingState
from apps.risk.scopes import scope_text
from apps.risk.services import kill_switch_trip, resume_request, trading_state_reduce

_STATE_MARKS = {State.ACTIVE: OK, State.REDUCING: WARN, State.HALTED: STOP}
_KILL_MARKS = {KillOutcome.PROVED_ZERO: OK, KillOutcome.RUNNING: WAIT, KillOutcome.BLOCKED_ONLY: STOP}


class Stopped(YesNo):
    title = "Is it held back now?"
    parameter_name = "held_back"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.exclude(state=State.ACTIVE)


def _halt(call: TaskCall) -> str:
    scope = call.obj.scope if call.obj else call.data["scope"]
    scope_id = call.obj.scope_id if call.obj else call.data["scope_id"]
    run = kill_switch_trip(scope=scope, scope_id=scope_id, reason=call.data["reason"], actor=call.actor, now=call.now)
    return f"Halted. New orders are blocked; kill run {run.pk} takes the resting ones off the book."


def _reduce(call: TaskCall) -> str:
    row = trading_state_reduce(
        scope=call.data["scope"],
        scope_id=call.data["scope_id"],
        reason=call.data["reason"],
        actor=call.actor,
        now=call.now,
    )
    return f"{row}. Only orders that close what is held are allowed."


def _resume(call: TaskCall) -> str:
    request = resume_request(
        scope=call.obj.scope, scope_id=call.obj.scope_id, reason=call.data["reason"], checked=call.data["checked"],
        actor=call.actor, now=call.now,
    )  # fmt: skip
    return asked_text(request.pk, at_once=request.status == ApprovalStatus.APPLIED)


HALT = AdminTask(
    name="halt",
    label="Halt trading",
    explanation="New orders are blocked at once and resting orders are canceled. One person is enough to stop; "
    "resuming needs two.",
    permission=Permission.TRIP_KILL_SWITCH.full,
    perform=_halt,
    make_form=lambda obj, data: HaltForm(data) if obj else HaltScopeForm(data),
    icon="front_hand",
    is_danger=True,
)
REDUCE = AdminTask(
    name="reduce",
    label="Only reduce",
    explanation="From now on only orders that close what is held are allowed. One person is enough.",
    permission=Permission.TRIP_KILL_SWITCH.full,
    perform=_reduce,
    make_form=lambda obj, data: HaltScopeForm(data),
    icon="trending_down",
)
RESUME = AdminTask(
    name="resume",
    label="Propose to resume",
    explanation="Another person decides. Trading stays stopped until then.",
    permission=Permission.RESUME_TRADING.full,
    perform=_resume,
    make_form=lambda obj, data: ResumeForm(data),
    is_offered=lambda obj, user: obj.state != State.ACTIVE,
    icon="play_arrow",
)


@admin.register(TradingState)
class TradingStateAdmin(ReadOnlyAdmin):
    job = RUN
    question = "What may not trade, since when, by whom and why?"
    list_display = ("where", status("state", _STATE_MARKS), "reason", "changed_by", "changed_at")
    list_select_related = ("changed_by",)
    list_filter = (Stopped, ("state", asks("May it trade?")), ("scope", asks("What does it cover?")))
    search_fields = ("scope_id", "reason")
    ordering = ("-changed_at",)
    fields = ("scope", "scope_id", "state", "reason", "changed_by", "changed_at")
    list_tasks = (REDUCE, HALT)
    object_tasks = (RESUME, HALT)
    console_page = ("console:risk", "")

    def index_rows(self, now: datetime) -> tuple[str, QuerySet] | None:
        return "not active", TradingState.objects.exclude(state=State.ACTIVE)

    @display(description="What", ordering="scope")
    def where(self, obj: TradingState) -> str:
        return scope_text(obj.scope, obj.scope_id)


@admin.register(KillRun)
class KillRunAdmin(ReadOnlyAdmin):
    job = RUN
    question = "Who stopped trading, how long did it take, and was zero proved?"
    list_display = (
        "id",
        "pressed_at",
        "where",
        "pressed_by",
        "source",
        status("outcome", _KILL_MARKS),
        count("resting_before", "Resting before"),
        count("canceled"),
        "took",
    )
    list_display_links = ("id", "pressed_at")
    list_select_related = ("pressed_by",)
    list_filter = (
        ("outcome", asks("Was zero proved?")),
        happened("pressed_at", "When was it pressed?"),
        ("scope", asks("What did it cover?")),
    )
    search_fields = ("scope_id", "reason", "pressed_by__username")
    deferred_in_list = ("steps", "positions_left", "report")
    console_page = ("console:kill-run", "pk")

    @display(description="What", ordering="scope")
    def where(self, obj: KillRun) -> str:
        return scope_text(obj.scope, obj.scope_id)

    @display(description="Seconds to zero")
    def took(self, obj: KillRun) -> str | None:
        if obj.proved_zero_at is None:
            return None
        return f"{(obj.proved_zero_at - obj.pressed_at).total_seconds():.2f}"


WAITING.append(
    Waiting(
        label="stops that did not prove zero",
        admin_list="risk_killrun",
        narrowed={"outcome__exact": KillOutcome.BLOCKED_ONLY, "pressed_at_within": "week"},
        rows=lambda user, now: KillRun.objects.filter(
            outcome=KillOutcome.BLOCKED_ONLY, pressed_at__gte=now - timedelta(days=7)
        ),
        mark=STOP,
    )
)
