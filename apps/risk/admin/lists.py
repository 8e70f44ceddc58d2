from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from apps.core.admin_columns import IDLE, STOP, lamp
from apps.core.admin_filters import Question, YesNo, asks, happened
from apps.core.adminsite import LIMITS, ReadOnlyAdmin
from apps.core.admintasks import AdminTask, ReasonForm, TaskCall, asked_text
from apps.governance.choices import ApprovalStatus
from apps.governance.choices import Permission as GovernancePermission
from apps.risk.choices import Permission
from apps.risk.forms import NewThemeForm, RestrictionForm, ThemeMembersForm
from apps.risk.models import RestrictedMarket, Theme
from apps.risk.scopes import scope_text
from apps.risk.services import restriction_add, restriction_lift_request, theme_set, theme_shrink_request


def _new_theme(call: TaskCall) -> str:
    data = call.data
    theme = theme_set(
        slug=data["slug"],
        name=data["name"],
        description=data["description"],
        members=data["members"].split(),
        reason=data["reason"],
        actor=call.actor,
        now=call.now,
    )
    return f"Theme {theme} holds {len(theme.members)} members."


def _widen(call: TaskCall) -> str:
    theme = theme_set(
        slug=call.obj.slug,
        name=call.obj.name,
        description=call.obj.description,
        members=[*call.obj.members, *call.data["members"].split()],
        reason=call.data["reason"],
        actor=call.actor,
        now=call.now,
    )
    return f"Theme {theme} holds {len(theme.members)} members."


def _shrink(call: TaskCall) -> str:
    request = theme_shrink_request(
        theme_id=call.obj.pk,
        members=call.data["members"].split(),
        reason=call.data["reason"],
        actor=call.actor,
        now=call.now,
    )
    return asked_text(request.pk, at_once=request.status == ApprovalStatus.APPLIED)


def _restrict(call: TaskCall) -> str:
    data = call.data
    row = restriction_add(
        scope=data["scope"],
        scope_id=data["scope_id"],
        user=data["person"],
        reason=data["reason"],
        actor=call.actor,
        now=call.now,
    )
    return f"Restricted: {row}. Orders there are denied."


def _lift(call: TaskCall) -> str:
    request = restriction_lift_request(
        restriction_id=call.obj.pk, reason=call.data["reason"], actor=call.actor, now=call.now
    )
    return asked_text(request.pk, at_once=request.status == ApprovalStatus.APPLIED)


def _members_form(obj: Any, data: Any) -> ReasonForm:
    return ThemeMembersForm(data, initial={"members": "\n".join(obj.members)})


NEW_THEME = AdminTask(
    name="new",
    label="Add a theme",
    explanation="Limits for each theme bind what its markets risk together, so a theme can only tighten. It takes "
    "effect at once.",
    permission=GovernancePermission.PROPOSE_CHANGE.full,
    perform=_new_theme,
    make_form=lambda obj, data: NewThemeForm(data),
    icon="add",
)
WIDEN = AdminTask(
    name="widen",
    label="Add members",
    explanation="More markets under the same limits: takes effect at once, one person is enough.",
    permission=GovernancePermission.PROPOSE_CHANGE.full,
    perform=_widen,
    make_form=lambda obj, data: ThemeMembersForm(data),
    icon="playlist_add",
)
SHRINK = AdminTask(
    name="propose",
    label="Propose other members",
    explanation="A market that leaves a theme is no longer bound by its limits. Another person approves it.",
    permission=GovernancePermission.PROPOSE_CHANGE.full,
    perform=_shrink,
    make_form=_members_form,
    icon="edit_note",
)
RESTRICT = AdminTask(
    name="restrict",
    label="Restrict a market",
    explanation="Orders there are denied at once, closing ones too. One person is enough; lifting it needs two.",
    permission=Permission.TRIP_KILL_SWITCH.full,
    perform=_restrict,
    make_form=lambda obj, data: RestrictionForm(data),
    icon="block",
    is_danger=True,
)
LIFT = AdminTask(
    name="lift",
    label="Propose to lift",
    explanation="The restriction stands until another person has agreed.",
    permission=GovernancePermission.PROPOSE_CHANGE.full,
    perform=_lift,
    is_offered=lambda obj, user: obj.lifted_at is None,
    icon="lock_open",
)


class Standing(YesNo):
    title = "Does it stand?"
    parameter_name = "standing"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.filter(lifted_at=None)


class Whom(Question):
    title = "Whom does it bind?"
    parameter_name = "whom"
    answers = {"me": "Me", "firm": "The whole firm", "person": "One person"}

    def narrow(self, queryset: QuerySet, answer: str, request: HttpRequest, now: datetime) -> QuerySet:
        if answer == "me":
            return queryset.filter(Q(user=None) | Q(user_id=request.user.pk))
        return queryset.filter(user=None) if answer == "firm" else queryset.exclude(user=None)


@admin.register(Theme)
class ThemeAdmin(ReadOnlyAdmin):
    job = LIMITS
    question = "Which markets win and lose together?"
    list_display = ("name", "slug", "members_number", "updated_at")
    list_filter = (happened("updated_at", "When was it changed?"),)
    search_fields = ("slug", "name", "members")
    fields = ("name", "slug", "description", "tickers", "updated_at")
    list_tasks = (NEW_THEME,)
    object_tasks = (WIDEN, SHRINK)
    palette_key = "slug"

    @display(description="Members")
    def members_number(self, obj: Theme) -> int:
        return len(obj.members)

    @display(description="Series, events and markets")
    def tickers(self, obj: Theme) -> str:
        return ", ".join(obj.members) or "none yet"


@admin.register(RestrictedMarket)
class RestrictedMarketAdmin(ReadOnlyAdmin):
    job = LIMITS
    question = "What may we, or one of us, not trade?"
    list_display = ("where", "whom", "reason", "added_by", "added_at", "standing_status")
    list_select_related = ("user", "added_by")
    list_filter = (Standing, Whom, ("scope", asks("What does it cover?")))
    search_fields = ("scope_id", "user__username", "reason")
    fields = ("scope", "scope_id", "whom", "reason", "added_by", "added_at", "lifted_at")
    list_tasks = (RESTRICT,)
    object_tasks = (LIFT,)
    selection_tasks = (LIFT,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RestrictedMarket]:
        return super().get_queryset(request).select_related("user", "added_by")

    def index_rows(self, now: datetime) -> tuple[str, QuerySet] | None:
        return "stand", RestrictedMarket.objects.filter(lifted_at=None)

    @display(description="What", ordering="scope_id")
    def where(self, obj: RestrictedMarket) -> str:
        return scope_text(obj.scope, obj.scope_id)

    @display(description="For")
    def whom(self, obj: RestrictedMarket) -> str:
        return obj.user.get_username() if obj.user else "the firm"

    @display(description="State")
    def standing_status(self, obj: RestrictedMarket) -> str:
        return lamp(STOP, "Restricted") if obj.lifted_at is None else lamp(IDLE, "Lifted")
