from __future__ import annotations

from typing import Any

from django.contrib import admin
from unfold.decorators import display

from apps.core.adminsite import LIMITS, RUN, ApprovalAdmin, ReadOnlyAdmin, asks
from apps.core.admintasks import AdminTask, TaskCall
from apps.governance.choices import Permission as GovernancePermission

from .choices import KillOutcome, Permission, State
from .forms import HaltForm, HaltScopeForm, LimitValueForm, NewLimitForm
from .models import KillRun, RiskLimit, TradingState
from .services import kill_switch_trip, limit_change_request, resume_request, trading_state_reduce

_SENT = "Request {} waits for another person. Nothing has changed yet."


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
        scope=call.obj.scope, scope_id=call.obj.scope_id, reason=call.data["reason"], actor=call.actor, now=call.now
    )
    return _SENT.format(request.pk)


def _change_limit(call: TaskCall) -> str:
    row = call.obj
    target = {"scope": row.scope, "scope_id": row.scope_id, "rule": row.rule} if row else call.data
    request = limit_change_request(
        scope=target["scope"],
        scope_id=target["scope_id"],
        rule=target["rule"],
        value=call.data["value"],
        reason=call.data["reason"],
        actor=call.actor,
        now=call.now,
    )
    return _SENT.format(request.pk)


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
    is_offered=lambda obj, user: obj.state != State.ACTIVE,
    icon="play_arrow",
)
CHANGE_LIMIT = AdminTask(
    name="propose",
    label="Propose a change",
    explanation="The limit stays as it is until another person has approved the new value.",
    permission=GovernancePermission.PROPOSE_CHANGE.full,
    perform=_change_limit,
    make_form=lambda obj, data: LimitValueForm(data, initial={"value": f"{obj.value.normalize():f}"}),
    icon="edit_note",
)
NEW_LIMIT = AdminTask(
    name="propose-new",
    label="Propose a limit",
    explanation="A limit on a narrower scope tightens what is allowed there. Another person approves it.",
    permission=GovernancePermission.PROPOSE_CHANGE.full,
    perform=_change_limit,
    make_form=lambda obj, data: NewLimitForm(data),
    icon="add",
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


@admin.register(RiskLimit)
class RiskLimitAdmin(ApprovalAdmin):
    job = LIMITS
    list_display = ("rule", "number", "scope", "scope_id", "version", "updated_at")
    list_filter = (("rule", asks("Which rule?")), ("scope", asks("What does it cover?")))
    search_fields = ("scope_id",)
    fields = ("rule", "number", "scope", "scope_id", "version", "updated_at")
    list_tasks = (NEW_LIMIT,)
    object_tasks = (CHANGE_LIMIT,)

    @display(description="Value")
    def number(self, obj: RiskLimit) -> str:
        return f"{obj.value.normalize():f}"


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
