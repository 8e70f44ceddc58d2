from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from apps.console.forms import ReasonForm
from apps.console.http import StaffRequest, console_page, page
from apps.console.proposal_forms import ChoiceForm, CommentForm
from apps.console.proposal_page import ProposalPage, proposal_page
from apps.console.proposal_steps import Perform, performed, proposal_url
from apps.core.permissions import is_holder
from apps.core.stepup import StepUpNeeded, factor_of, require_fresh
from apps.governance.choices import Permission, ProposalPermission
from apps.governance.models import RedesignProposal
from apps.governance.proposal_selectors import proposal_list, work_open
from apps.governance.services.proposals import proposal_close, proposal_submit
from apps.governance.services.proposals_decision import direction_ask, direction_choose, fallback_activate

WRITE = ProposalPermission.WRITE.full


@require_safe
@console_page
def proposals(request: StaffRequest) -> HttpResponse:
    """Every redesign, newest first, with the work that is open and overdue."""
    now = timezone.now()
    rows, work = list(proposal_list(now=now)), list(work_open())
    context = {
        "now": now,
        "rows": rows,
        "work": work,
        "overdue": sum(item.due_at < now for item in work),
        "may_write": is_holder(request.user, WRITE),
    }
    return page(request, "console/proposals.html", context)


@require_safe
@console_page
def proposal(request: StaffRequest, key: int) -> HttpResponse:
    return _page(request, _proposal(key))


@require_POST
@console_page(right=WRITE, post=WRITE)
def submit(request: StaffRequest, key: int) -> HttpResponse:
    form = ReasonForm(request.POST)
    return _step(request, key, "decision", form, lambda: proposal_submit(**_given(request, key, form)))


@require_POST
@console_page(right=WRITE, post=WRITE)
def ask(request: StaffRequest, key: int) -> HttpResponse:
    form = ReasonForm(request.POST)
    return _step(request, key, "decision", form, lambda: direction_ask(**_given(request, key, form)))


@require_POST
@console_page(post=Permission.APPROVE_CHANGE.full)
def choose(request: StaffRequest, key: int) -> HttpResponse:
    """One primary and one fallback, signed with the second factor."""
    shown = _shown(request, _proposal(key))
    form = _choice_form(shown, request.POST)

    def perform() -> None:
        direction_choose(
            **_given(request, key, form),
            **{name: form.cleaned_data[name] for name in ("revision", "primary", "fallback")},
            waivers=form.waivers(),
            factor=factor_of(request),
        )

    return _step(request, key, "decision", form, perform)


@require_POST
@console_page(right=WRITE, post=WRITE)
def fallback(request: StaffRequest, key: int) -> HttpResponse:
    form = ReasonForm(request.POST)
    return _step(request, key, "decision", form, lambda: fallback_activate(**_given(request, key, form)))


@require_POST
@console_page(right=WRITE, post=WRITE)
def close(request: StaffRequest, key: int) -> HttpResponse:
    form = ReasonForm(request.POST)

    def perform() -> None:
        given = _given(request, key, form)
        proposal_close(outcome=given.pop("reason"), **given)

    return _step(request, key, "outcome", form, perform)


def _given(request: StaffRequest, key: int, form: forms.Form) -> dict[str, Any]:
    return {
        "proposal_id": key,
        "reason": form.cleaned_data["reason"],
        "actor": request.user,
        "now": timezone.now(),
    }


def _step(request: StaffRequest, key: int, part: str, form: forms.Form, perform: Perform) -> HttpResponse:
    """One step of a proposal; what is wrong with it is said on the page itself, at the part it belongs to."""
    found = _proposal(key)
    status = performed(form, perform)
    if status is None:
        return redirect(proposal_url(key, part))
    found.refresh_from_db()
    choice = form if isinstance(form, ChoiceForm) else None
    return _page(request, found, status=status, failed=form, failed_part=part, choice=choice)


def _page(request: StaffRequest, found: RedesignProposal, *, status: int = 200, **forms: Any) -> HttpResponse:
    shown = _shown(request, found)
    context = {
        "now": timezone.now(),
        "page": shown,
        "proposal": found,
        "step": ReasonForm(),
        "comment": _comment_form(request, shown),
        "is_fresh": _is_fresh(request),
        **forms,
    }
    if shown.why_not:
        context["choice"] = None
    elif context.get("choice") is None:
        context["choice"] = _choice_form(shown, None)
    return page(request, "console/proposal.html", context, status=status)


def _shown(request: StaffRequest, found: RedesignProposal) -> ProposalPage:
    return proposal_page(proposal=found, user=request.user, now=timezone.now())


def _choice_form(shown: ProposalPage, data: Any) -> ChoiceForm:
    initial = {"revision": shown.proposal.revision}
    return ChoiceForm(data, options=shown.options, missing=shown.missing, initial=initial)


def _comment_form(request: StaffRequest, shown: ProposalPage) -> CommentForm:
    asked = request.GET.get("supplement", "")
    return CommentForm(
        initial={
            "object_type": shown.label,
            "object_id": shown.proposal.pk,
            "supplements": int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 19 else None,
            "next": proposal_url(shown.proposal.pk, "comments"),
        }
    )


def _is_fresh(request: StaffRequest) -> bool:
    try:
        require_fresh(factor_of(request), actor=request.user, now=timezone.now())
    except StepUpNeeded:
        return False
    return True


def _proposal(key: int) -> RedesignProposal:
    return get_object_or_404(RedesignProposal.objects.select_related("author", "last_editor"), pk=key)
