from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.filters import SimpleListFilter
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from unfold.decorators import display

from apps.core.adminsite import REVIEW, ReadOnlyAdmin, ReadOnlyInline, asks, json_html
from apps.core.admintasks import AdminTask, TaskCall
from apps.governance.choices import ApprovalStatus, Permission, Vote
from apps.governance.models import ApprovalRequest, ApprovalVote
from apps.governance.selectors import approval_can_vote, approval_rows
from apps.governance.services import approval_vote, approval_withdraw

_STATUS_COLORS = {
    ApprovalStatus.OPEN: "warning",
    ApprovalStatus.APPLIED: "success",
    ApprovalStatus.REJECTED: "danger",
}


def changes_html(request: ApprovalRequest) -> str:
    return render_to_string("admin/governance/_changes.html", {"rows": approval_rows(request)})


def _vote(vote: Vote, done: str) -> Any:
    def perform(call: TaskCall) -> str:
        approval_vote(request_id=call.obj.pk, vote=vote, reason=call.data["reason"], actor=call.actor, now=call.now)
        return done

    return perform


def _withdraw(call: TaskCall) -> str:
    approval_withdraw(request_id=call.obj.pk, reason=call.data["reason"], actor=call.actor, now=call.now)
    return "Withdrawn. Nothing was changed."


def _can_vote(request: ApprovalRequest, user: User) -> bool:
    return approval_can_vote(request=request, user=user, now=timezone.now())


def _can_withdraw(request: ApprovalRequest, user: User) -> bool:
    return request.status == ApprovalStatus.OPEN and request.requester_id == user.pk


APPROVE = AdminTask(
    name="approve",
    label="Approve and apply",
    explanation="The change takes effect at once. Compare the values and say why you agree.",
    permission=Permission.APPROVE_CHANGE.full,
    perform=_vote(Vote.APPROVE, "Approved and applied."),
    is_offered=_can_vote,
    preview=changes_html,
    icon="check",
)
REJECT = AdminTask(
    name="reject",
    label="Reject",
    explanation="The request is closed and nothing changes. Say why, so that the next proposal can be better.",
    permission=Permission.APPROVE_CHANGE.full,
    perform=_vote(Vote.REJECT, "Rejected. Nothing was changed."),
    is_offered=_can_vote,
    preview=changes_html,
    icon="close",
)
WITHDRAW = AdminTask(
    name="withdraw",
    label="Withdraw",
    explanation="You take your own request back. Nothing changes, and you may propose again.",
    permission="governance.view_approvalrequest",
    perform=_withdraw,
    is_offered=_can_withdraw,
    preview=changes_html,
    icon="undo",
)


class Waiting(SimpleListFilter):
    title = "Does it still wait for a decision?"
    parameter_name = "waiting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("mine", "Yes, and I did not ask for it"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApprovalRequest]) -> QuerySet[ApprovalRequest]:
        waiting = {"status": ApprovalStatus.OPEN, "expires_at__gt": timezone.now()}
        if self.value() == "yes":
            return queryset.filter(**waiting)
        if self.value() == "mine":
            return queryset.filter(**waiting).exclude(requester_id=request.user.pk)
        return queryset.exclude(**waiting) if self.value() == "no" else queryset


class VoteInline(ReadOnlyInline):
    model = ApprovalVote
    verbose_name_plural = "decisions"
    fields = ("voter", "vote", "reason", "voted_at")
    readonly_fields = fields
    fk_name = "request"

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApprovalVote]:
        return super().get_queryset(request).select_related("voter", "request")


@admin.register(ApprovalRequest)
class ApprovalRequestAdmin(ReadOnlyAdmin):
    job = REVIEW
    list_display = ("id", "action", "target", "requester", "requested_at", "expires_at", "state")
    list_display_links = ("id", "action")
    list_select_related = ("requester",)
    list_filter = (Waiting, ("status", asks("What became of it?")))
    search_fields = ("action", "target_id", "requester__username")
    fieldsets = (
        (None, {"fields": ("action", "target", "status", "reason")}),
        ("Now and as proposed", {"fields": ("changes",)}),
        ("Who and when", {"fields": ("requester", "requested_at", "expires_at", "closed_at")}),
        ("What the digest covers", {"classes": ("collapse",), "fields": ("digest", "payload_text", "current_text")}),
    )
    inlines = (VoteInline,)
    object_tasks = (APPROVE, REJECT, WITHDRAW)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApprovalRequest]:
        return super().get_queryset(request).select_related("requester")

    @display(description="Target")
    def target(self, obj: ApprovalRequest) -> str:
        return f"{obj.target_type} {obj.target_id}"

    @display(description="State", label=_STATUS_COLORS)
    def state(self, obj: ApprovalRequest) -> tuple[str, str]:
        return obj.status, obj.get_status_display()

    @display(description="Changes")
    def changes(self, obj: ApprovalRequest) -> str:
        return changes_html(obj)

    @display(description="Payload")
    def payload_text(self, obj: ApprovalRequest) -> str:
        return json_html(obj.payload)

    @display(description="Current when asked")
    def current_text(self, obj: ApprovalRequest) -> str:
        return json_html(obj.current)


@admin.register(ApprovalVote)
class ApprovalVoteAdmin(ReadOnlyAdmin):
    job = REVIEW
    list_display = ("id", "request", "requester", "voter", "vote", "voted_at", "reason")
    list_select_related = ("request", "requester", "voter")
    list_filter = (("vote", asks("How was it decided?")),)
