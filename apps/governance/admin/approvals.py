from __future__ import annotations

from datetime import datetime
from typing import cast

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from apps.core.admin_columns import IDLE, OK, STOP, WAIT, WARN, status
from apps.core.admin_filters import Question, YesNo, asks, happened
from apps.core.admin_index import WAITING
from apps.core.admin_index import Waiting as IndexLine
from apps.core.adminsite import REVIEW, ReadOnlyAdmin, ReadOnlyInline, json_html
from apps.governance.choices import ApprovalStatus, Direction, Vote
from apps.governance.models import (
    ApprovalEvidence,
    ApprovalRequest,
    ApprovalRevision,
    ApprovalVote,
)
from apps.governance.selectors import approval_list_open, break_glass_outstanding

from .approval_tasks import APPROVE, REJECT, WITHDRAW, changes_html

_STATUS_MARKS = {
    ApprovalStatus.OPEN: WAIT,
    ApprovalStatus.APPLIED: OK,
    ApprovalStatus.REJECTED: STOP,
    ApprovalStatus.WITHDRAWN: IDLE,
    ApprovalStatus.EXPIRED: IDLE,
    ApprovalStatus.VOID: STOP,
}
_RISK_MARKS = {
    Direction.RAISES: WARN,
    Direction.UNKNOWN: WARN,
    Direction.LOWERS: OK,
    Direction.UNCHANGED: IDLE,
    Direction.NEUTRAL: IDLE,
}
_VOTE_MARKS = {Vote.APPROVE: OK, Vote.REJECT: STOP}


class Waiting(Question):
    title = "Does it still wait for a decision?"
    parameter_name = "waiting"
    answers = {"yes": "Yes", "mine": "Waits for me", "no": "No"}

    def narrow(self, queryset: QuerySet, answer: str, request: HttpRequest, now: datetime) -> QuerySet:
        waiting = Q(status=ApprovalStatus.OPEN, expires_at__gt=now)
        if answer == "no":
            return queryset.exclude(waiting)
        rows = queryset.filter(waiting)
        return rows if answer == "yes" else rows.filter(_undecided_by(cast(User, request.user)))


class ToCountersign(YesNo):
    title = "Are signatures missing under an emergency?"
    parameter_name = "countersign"

    def chosen(self, queryset: QuerySet, now: datetime) -> QuerySet:
        return queryset.filter(pk__in=[row.pk for row in break_glass_outstanding()])


def _undecided_by(user: User) -> Q:
    """Neither asked for, nor last edited, nor decided on by this person in the revision that stands."""
    mine = ApprovalVote.objects.filter(request=OuterRef("pk"), revision=OuterRef("revision"), voter=user)
    return ~Q(requester=user) & ~Q(editor=user) & ~Q(Exists(mine))


class VoteInline(ReadOnlyInline):
    model = ApprovalVote
    verbose_name_plural = "decisions"
    fields = ("revision", "voter", "roles", "vote", "reason", "voted_at")
    readonly_fields = fields
    fk_name = "request"

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApprovalVote]:
        return super().get_queryset(request).select_related("voter", "request")


class EvidenceInline(ReadOnlyInline):
    model = ApprovalEvidence
    verbose_name_plural = "evidence"
    fields = ("revision", "kind", "title", "reference", "sha256")
    readonly_fields = fields


class RevisionInline(ReadOnlyInline):
    model = ApprovalRevision
    verbose_name_plural = "revisions"
    fields = ("number", "editor", "reason", "digest", "edited_at")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApprovalRevision]:
        return super().get_queryset(request).select_related("editor", "request")


@admin.register(ApprovalRequest)
class ApprovalRequestAdmin(ReadOnlyAdmin):
    job = REVIEW
    question = "Which change waits for whom, and which of them raises risk?"
    list_display = (
        "id",
        "action",
        "target",
        status("risk", _RISK_MARKS, "Effect"),
        status("status", _STATUS_MARKS),
        "requester",
        "requested_at",
        "expires_at",
    )
    list_display_links = ("id", "action")
    list_select_related = ("requester",)
    list_filter = (
        Waiting,
        ("risk", asks("Does it raise risk?")),
        ("status", asks("What became of it?")),
        ("path", asks("How did it come into force?")),
        ToCountersign,
        happened("requested_at", "When was it asked for?"),
    )
    search_fields = ("action", "target_id", "requester__username")
    fieldsets = (
        (None, {"fields": ("action", "target", "environment", "risk", "status", "path", "reason")}),
        ("Now and as proposed", {"fields": ("changes",)}),
        (
            "Who and when",
            {
                "fields": (
                    "requester",
                    "requested_at",
                    "editor",
                    "revision",
                    "expires_at",
                    "apply_after",
                    "closed_at",
                    "countersign_by",
                )
            },
        ),
        (
            "What the digest covers",
            {
                "classes": ("collapse",),
                "fields": (
                    "digest",
                    "params_hash",
                    "base_version",
                    "evidence_digest",
                    "payload_text",
                    "current_text",
                ),
            },
        ),
    )
    inlines = (EvidenceInline, VoteInline, RevisionInline)
    object_tasks = (APPROVE, REJECT, WITHDRAW)
    selection_tasks = (WITHDRAW,)
    deferred_in_list = ("payload", "current", "rows")
    palette_key = "pk"
    console_page = ("console:approval", "pk")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApprovalRequest]:
        return super().get_queryset(request).select_related("requester", "editor")

    def index_rows(self, now: datetime) -> tuple[str, QuerySet] | None:
        return "open", approval_list_open(now=now)

    @display(description="Target")
    def target(self, obj: ApprovalRequest) -> str:
        return f"{obj.target_type} {obj.target_id}"

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
    question = "Who signed or rejected what, in which role and with which factor?"
    list_display = (
        "id", "request", status("vote", _VOTE_MARKS), "voter", "roles", "requester", "factor", "voted_at", "reason",
    )  # fmt: skip
    list_display_links = ("id", "request")
    list_select_related = ("request", "requester", "voter")
    list_filter = (("vote", asks("How was it decided?")), happened("voted_at", "When was it decided?"))
    search_fields = ("voter__username", "requester__username", "=request__target_id")
    deferred_in_list = ("statement",)
    console_page = ("console:approval", "request_id")


WAITING.extend(
    (
        IndexLine(
            label="changes wait for you",
            admin_list="governance_approvalrequest",
            narrowed={"waiting": "mine"},
            rows=lambda user, now: approval_list_open(now=now).filter(_undecided_by(user)),
            mark=WAIT,
        ),
        IndexLine(
            label="emergency changes without their signatures",
            admin_list="governance_approvalrequest",
            narrowed={"countersign": "yes"},
            rows=lambda user, now: ApprovalRequest.objects.filter(pk__in=[row.pk for row in break_glass_outstanding()]),
            mark=STOP,
        ),
    )
)
