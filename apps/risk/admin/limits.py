from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from apps.core.admin_columns import count
from apps.core.admin_filters import Question, asks, happened
from apps.core.adminsite import LIMITS, ApprovalAdmin
from apps.core.admintasks import AdminTask, ReasonForm, TaskCall, asked_text
from apps.governance.choices import ApprovalStatus
from apps.governance.choices import Permission as GovernancePermission
from apps.risk.choices import LimitRule
from apps.risk.forms import LimitValueForm, NewLimitForm
from apps.risk.limit_values import limit_text, unit_words
from apps.risk.models import RiskLimit
from apps.risk.scopes import scope_text
from apps.risk.services import limit_change_request, limit_lower


def _target(call: TaskCall) -> dict[str, str]:
    row = call.obj
    source = {"scope": row.scope, "scope_id": row.scope_id, "rule": row.rule} if row else call.data
    return {name: source[name] for name in ("scope", "scope_id", "rule")}


def _propose(call: TaskCall) -> str:
    request = limit_change_request(
        **_target(call), value=call.data["value"], reason=call.data["reason"], actor=call.actor, now=call.now
    )
    return asked_text(request.pk, at_once=request.status == ApprovalStatus.APPLIED)


def _lower(call: TaskCall) -> str:
    row = limit_lower(
        **_target(call), value=call.data["value"], reason=call.data["reason"], actor=call.actor, now=call.now
    )
    return f"In force: {row}."


def _value_form(obj: Any, data: Any) -> ReasonForm:
    return LimitValueForm(data, initial={"value": limit_text(obj.value)})


LOWER = AdminTask(
    name="lower",
    label="Tighten now",
    explanation="A tighter value takes effect at once; one person is enough. Anything that would allow more is refused "
    "here and has to be proposed.",
    permission=GovernancePermission.PROPOSE_CHANGE.full,
    perform=_lower,
    make_form=_value_form,
    icon="south",
)
CHANGE_LIMIT = AdminTask(
    name="propose",
    label="Propose a change",
    explanation="A value that allows more stays a proposal until others have signed it. One that only lowers risk is "
    "in force at once, and somebody looks at it afterwards.",
    permission=GovernancePermission.PROPOSE_CHANGE.full,
    perform=_propose,
    make_form=_value_form,
    icon="edit_note",
)
ADD = AdminTask(
    name="add-now",
    label="Add a limit now",
    explanation="A limit where there was none can only tighten what is allowed, so one person is enough. The tightest "
    "of all limits binds.",
    permission=GovernancePermission.PROPOSE_CHANGE.full,
    perform=_lower,
    make_form=lambda obj, data: NewLimitForm(data),
    icon="south",
)
NEW_LIMIT = AdminTask(
    name="propose-new",
    label="Propose a limit",
    explanation="A limit on a narrower scope tightens what is allowed there. Another person approves it.",
    permission=GovernancePermission.PROPOSE_CHANGE.full,
    perform=_propose,
    make_form=lambda obj, data: NewLimitForm(data),
    icon="add",
)


class Changed(Question):
    title = "Was it ever changed?"
    parameter_name = "changed"

    def narrow(self, queryset: QuerySet, answer: str, request: HttpRequest, now: datetime) -> QuerySet:
        return queryset.filter(version__gt=1) if answer == "yes" else queryset.filter(version=1)


@admin.register(RiskLimit)
class RiskLimitAdmin(ApprovalAdmin):
    job = LIMITS
    question = "How much may be risked, on what, and when was that last changed?"
    list_display = ("rule", "value_number", "unit", "where", count("version"), "updated_at")
    list_filter = (
        ("rule", asks("Which rule?")),
        ("scope", asks("What does it cover?")),
        happened("updated_at", "When was it changed?"),
        Changed,
    )
    search_fields = ("scope_id",)
    fields = ("rule", "value_number", "unit", "scope", "scope_id", "version", "updated_at")
    list_tasks = (ADD, NEW_LIMIT)
    object_tasks = (LOWER, CHANGE_LIMIT)
    console_page = ("console:risk", "")

    @display(description="Value", ordering="value")
    def value_number(self, obj: RiskLimit) -> str:
        return limit_text(obj.value)

    @display(description="Unit")
    def unit(self, obj: RiskLimit) -> str:
        return unit_words(LimitRule(obj.rule))

    @display(description="Where", ordering="scope")
    def where(self, obj: RiskLimit) -> str:
        return scope_text(obj.scope, obj.scope_id)
