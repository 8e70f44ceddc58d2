from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.console.approval_forms import EditRequestForm, RevisionForm, VoteForm
from apps.console.approval_page import approval_context
from apps.console.forms import ReasonForm
from apps.console.http import SEE, StaffRequest, console_page, page, status_of
from apps.core.exceptions import ApplicationError
from apps.core.stepup import StepUpNeeded, factor_of
from apps.governance.choices import Permission
from apps.governance.evidence import evidence_of
from apps.governance.handlers import handler_for
from apps.governance.models import ApprovalRequest
from apps.governance.selectors import approval_is_on_base, approval_list_open, break_glass_outstanding
from apps.governance.services import (
    approval_edit,
    approval_vote,
    approval_withdraw,
    break_glass_countersign,
    break_glass_instead,
)

CLOSED_SHOWN = 30
APPROVE, PROPOSE, GLASS = (
    Permission.APPROVE_CHANGE.full,
    Permission.PROPOSE_CHANGE.full,
    Permission.BREAK_GLASS.full,
)


@require_safe
@console_page
def approvals(request: StaffRequest) -> HttpResponse:
    """What waits for other people, and what became of the latest requests."""
    now = timezone.now()
    waiting = list(approval_list_open(now=now))
    closed = ApprovalRequest.objects.select_related("requester").exclude(pk__in=[r.pk for r in waiting])[:CLOSED_SHOWN]
    context = {
        "now": now,
        "waiting": waiting,
        "closed": closed,
        "glass": break_glass_outstanding(),
        "approvals_open": len(waiting),
    }
    return page(request, "console/approvals.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(post=APPROVE)
def approval(request: StaffRequest, key: int) -> HttpResponse:
    """One request, old against new; the decision is a POST to the same address."""
    form = VoteForm(request.POST or None)

    def decide(data: dict[str, Any]) -> int:
        approval_vote(request_id=key, actor=request.user, factor=factor_of(request), now=timezone.now(), **data)
        return key

    return _step(request, key, form, decide)


@require_POST
@console_page(post=SEE)
def withdraw(request: StaffRequest, key: int) -> HttpResponse:
    def take_back(data: dict[str, Any]) -> int:
        approval_withdraw(request_id=key, reason=data["reason"], actor=request.user, now=timezone.now())
        return key

    return _step(request, key, ReasonForm(request.POST), take_back)


@require_POST
@console_page(post=APPROVE)
def countersign(request: StaffRequest, key: int) -> HttpResponse:
    """One of the two signatures under an emergency change."""

    def sign(data: dict[str, Any]) -> int:
        break_glass_countersign(
            request_id=key,
            reason=data["reason"],
            actor=request.user,
            factor=factor_of(request),
            now=timezone.now(),
        )
        return key

    return _step(request, key, ReasonForm(request.POST), sign)


@require_POST
@console_page(post=GLASS)
def break_glass(request: StaffRequest, key: int) -> HttpResponse:
    """Makes at once what an open request waits for, as an emergency change of its own."""

    def smash(data: dict[str, Any]) -> int:
        made = break_glass_instead(
            request_id=key,
            revision=data["revision"],
            reason=data["reason"],
            actor=request.user,
            factor=factor_of(request),
            now=timezone.now(),
        )
        return made.pk

    return _step(request, key, RevisionForm(request.POST), smash)


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(post=PROPOSE)
def edit(request: StaffRequest, key: int) -> HttpResponse:
    """Words a request anew; every signature so far is void afterwards."""
    asked = get_object_or_404(ApprovalRequest.objects.select_related("requester", "editor"), pk=key)
    try:
        fields = handler_for(asked.action).fields(asked.target_id, asked.payload)
    except ApplicationError:
        fields = []
    form = EditRequestForm(
        request.POST or None,
        fields=fields,
        evidence=evidence_of(asked),
        initial={"revision": asked.revision, "apply_after": asked.apply_after},
    )
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                approval_edit(
                    request_id=key,
                    revision=form.cleaned_data["revision"],
                    values=form.values(),
                    evidence=form.evidence(),
                    apply_after=form.cleaned_data["apply_after"],
                    reason=form.cleaned_data["reason"],
                    actor=request.user,
                    now=timezone.now(),
                )
                return redirect("console:approval", key)
            except ApplicationError as error:
                form.add_service_error(error)
                status = status_of(error)
    context = {"asked": asked, "form": form, "is_on_base": approval_is_on_base(asked)}
    return page(request, "console/approval_edit.html", context, status=status)


def _step(request: StaffRequest, key: int, form: forms.Form, take: Callable[[dict[str, Any]], int]) -> HttpResponse:
    """The page of a request, or after a step that went through the page of what it led to."""
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                return redirect("console:approval", take(form.cleaned_data))
            except StepUpNeeded:
                raise
            except ApplicationError as error:
                form.add_error(None, error.message)
                status = status_of(error)
    asked = get_object_or_404(ApprovalRequest.objects.select_related("requester", "editor"), pk=key)
    context = approval_context(asked, request.user, timezone.now()) | {"form": form}
    return page(request, "console/approval.html", context, status=status)
