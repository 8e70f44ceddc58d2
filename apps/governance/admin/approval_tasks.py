"""Deciding on a request from its page in the admin."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import User
from django.template.loader import render_to_string
from django.utils import timezone

from apps.core.admintasks import AdminTask, ReasonForm, TaskCall
from apps.governance.choices import ApprovalStatus, Permission, Vote
from apps.governance.models import ApprovalRequest
from apps.governance.selectors import approval_can_vote, approval_rows
from apps.governance.services import approval_vote, approval_withdraw


def changes_html(request: ApprovalRequest) -> str:
    return render_to_string("admin/governance/_changes.html", {"rows": approval_rows(request)})


class DecisionForm(ReasonForm):
    """Carries the revision that the person was looking at."""

    revision = forms.IntegerField(min_value=1, widget=forms.HiddenInput)


def _decision_form(request: ApprovalRequest, data: Any) -> ReasonForm:
    return DecisionForm(data, initial={"revision": request.revision})


def _approve(call: TaskCall) -> str:
    asked = _vote(call, Vote.APPROVE)
    return "Signed and applied." if asked.status == ApprovalStatus.APPLIED else "Signed. More signatures are needed."


def _reject(call: TaskCall) -> str:
    _vote(call, Vote.REJECT)
    return "Rejected. Nothing was changed."


def _vote(call: TaskCall, vote: Vote) -> ApprovalRequest:
    return approval_vote(
        request_id=call.obj.pk,
        revision=call.data["revision"],
        vote=vote,
        reason=call.data["reason"],
        actor=call.actor,
        factor=call.factor,
        now=call.now,
    )


def _withdraw(call: TaskCall) -> str:
    approval_withdraw(request_id=call.obj.pk, reason=call.data["reason"], actor=call.actor, now=call.now)
    return "Withdrawn. Nothing was changed."


def _can_vote(request: ApprovalRequest, user: User) -> bool:
    return approval_can_vote(request=request, user=user, now=timezone.now())


def _can_withdraw(request: ApprovalRequest, user: User) -> bool:
    return request.status == ApprovalStatus.OPEN and request.requester_id == user.pk


APPROVE = AdminTask(
    name="approve",
    label="Sign",
    explanation="The last signature that is needed applies the change. Compare the values and say why you agree.",
    permission=Permission.APPROVE_CHANGE.full,
    perform=_approve,
    make_form=_decision_form,
    is_offered=_can_vote,
    preview=changes_html,
    icon="check",
)
REJECT = AdminTask(
    name="reject",
    label="Reject",
    explanation="The request is closed and nothing changes. Say why, so that the next proposal can be better.",
    permission=Permission.APPROVE_CHANGE.full,
    perform=_reject,
    make_form=_decision_form,
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
