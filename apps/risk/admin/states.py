from __future__ import annotations

from typing import Any

from django.contrib import admin
from unfold.decorators import display

from apps.core.adminsite import RUN, ReadOnlyAdmin, asks
from apps.core.admintasks import AdminTask, TaskCall
from apps.risk.choices import KillOutcome, Permission, State
from apps.risk.forms import HaltForm, HaltScopeForm, ResumeForm
from apps.risk.models import KillRun, TradingState
from apps.risk.services import kill_switch_trip, resume_request, trading_state_reduce


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
    return f"Request {request.pk} waits for another person. Nothing has changed yet."


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
    list_display = ("where", "state_label", "reason", "changed_by", "changed_at")
    list_select_related = ("changed_by",)
    list_filter = (("state", asks("May it trade?")), ("scope", asks("What does it cover?")))
    search_fields = ("scope_id",)
    fields = ("scope", "scope_id", "state", "reason", "changed_by", "changed_at")
    list_tasks = (REDUCE, HALT)
    object_tasks = (RESUME, HALT)

    @display(description="What")
    def where(self, obj: TradingState) -> str:
        return f"{obj.get_scope_display()} {obj.scope_id}".strip()

    @display(description="State", label={State.ACTIVE: "success", State.REDUCING: "warning", State.HALTED: "danger"})
    def state_label(self, obj: TradingState) -> tuple[str, str]:
        return obj.state, obj.get_state_display()


@admin.register(KillRun)
class KillRunAdmin(ReadOnlyAdmin):
    job = RUN
    list_display = ("id", "pressed_at", "where", "pressed_by", "outcome_label", "resting_before", "canceled", "took")
    list_select_related = ("pressed_by",)
    list_filter = (("outcome", asks("Was zero proved?")), ("scope", asks("What did it cover?")))

    @display(description="What")
    def where(self, obj: KillRun) -> str:
        return f"{obj.get_scope_display()} {obj.scope_id}".strip()

    @display(
        description="Outcome",
        label={KillOutcome.PROVED_ZERO: "success", KillOutcome.RUNNING: "warning", KillOutcome.BLOCKED_ONLY: "danger"},
    )
    def outcome_label(self, obj: KillRun) -> tuple[str, str]:
        return obj.outcome, obj.get_outcome_display()

    @display(description="Seconds to zero")
    def took(self, obj: KillRun) -> Any:
        if obj.proved_zero_at is None:
            return None
        return f"{(obj.proved_zero_at - obj.pressed_at).total_seconds():.2f}"
