from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.console.forms import ReasonForm, VoteForm
from apps.console.http import StaffRequest, console_page, page, status_of
from apps.core.exceptions import ApplicationError
from apps.governance.choices import ApprovalStatus
from apps.governance.models import ApprovalRequest
from apps.governance.selectors import approval_can_vote, approval_list_open, approval_rows
from apps.governance.services import approval_vote, approval_withdraw

CLOSED_SHOWN = 30


@require_safe
@console_page
def approvals(request: StaffRequest) -> HttpResponse:
    """What waits for a second person, and what became of the latest requests."""
    now = timezone.now()
    waiting = list(approval_list_open(now=now))
    closed = ApprovalRequest.objects.select_related("requester").exclude(pk__in=[r.pk for r in waiting])[:CLOSED_SHOWN]
    context = {"now": now, "waiting": waiting, "closed": closed, "approvals_open": len(waiting)}
    return page(request, "console/approvals.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def approval(request: StaffRequest, key: int) -> HttpResponse:
    """One request, old against new; the vote is a POST to the same address."""
    asked = get_object_or_404(ApprovalRequest.objects.select_related("requester"), pk=key)
    form, status = VoteForm(request.POST or None), 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                approval_vote(request_id=key, actor=request.user, now=timezone.now(), **form.cleaned_data)
                return redirect("console:approval", key)
            except ApplicationError as error:
                form.add_error(None, error.message)
                status = status_of(error)
    return _page(request, asked, form, status)


@require_POST
@console_page
def withdraw(request: StaffRequest, key: int) -> HttpResponse:
    asked = get_object_or_404(ApprovalRequest.objects.select_related("requester"), pk=key)
    form, status = ReasonForm(request.POST), 422
    if form.is_valid():
        try:
            approval_withdraw(
                request_id=key, reason=form.cleaned_data["reason"], actor=request.user, now=timezone.now()
            )
            return redirect("console:approval", key)
        except ApplicationError as error:
            form.add_error(None, error.message)
            status = status_of(error)
    return _page(request, asked, form, status)


def _page(request: StaffRequest, asked: ApprovalRequest, form: ReasonForm, status: int) -> HttpResponse:
    now = timezone.now()
    context = {
        "now": now,
        "asked": asked,
        "rows": approval_rows(asked),
        "votes": asked.votes.select_related("voter"),
        "can_vote": approval_can_vote(request=asked, user=request.user, now=now),
        "is_own": asked.requester_id == request.user.pk,
        "is_open": asked.status == ApprovalStatus.OPEN and asked.expires_at > now,
        "form": form,
    }
    return page(request, "console/approval.html", context, status=status)
