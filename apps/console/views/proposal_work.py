from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from apps.console.forms import ReasonForm
from apps.console.http import StaffRequest, console_page
from apps.console.proposal_forms import MeasureForm, WatchForm, WorkChangeForm, WorkForm
from apps.console.proposal_steps import form_page
from apps.governance.choices import ProposalPermission, ProposalStatus
from apps.governance.models import RedesignProposal, WorkItem
from apps.governance.proposal_selectors import WORK_ENDED
from apps.governance.services.proposals_watch import watch_measure, watch_start
from apps.governance.services.work_items import work_item_add, work_item_change, work_item_done

WRITE = ProposalPermission.WRITE.full
PAGE = ["GET", "HEAD", "POST"]


@require_http_methods(PAGE)
@console_page(right=WRITE, post=WRITE)
def new(request: StaffRequest, key: int) -> HttpResponse:
    proposal = get_object_or_404(RedesignProposal, pk=key)
    form = WorkForm(request.POST or None, proposal=proposal)

    def perform() -> None:
        work_item_add(proposal=proposal, actor=request.user, now=timezone.now(), **form.cleaned_data)

    return form_page(request, form, perform, proposal=proposal, part="work", heading="Add a task", button="Add it")


@require_http_methods(PAGE)
@console_page(right=WRITE, post=WRITE)
def item(request: StaffRequest, key: int, item_key: int) -> HttpResponse:
    """Another state, time or other owners; that it is done is said by one of its owners, with a button of its own."""
    proposal, found = _item(key, item_key)
    form = WorkChangeForm(request.POST or None, item=found)

    def perform() -> None:
        work_item_change(item_id=found.pk, actor=request.user, now=timezone.now(), **form.cleaned_data)

    return form_page(
        request, form, perform, proposal=proposal, part="work", heading=f"Task: {found.title}", button="Change it",
        item=found, done=_done_form(request, found),
    )  # fmt: skip


@require_POST
@console_page(right=WRITE, post=WRITE)
def done(request: StaffRequest, key: int, item_key: int) -> HttpResponse:
    proposal, found = _item(key, item_key)
    form = ReasonForm(request.POST, auto_id="done_%s")

    def perform() -> None:
        work_item_done(item_id=found.pk, reason=form.cleaned_data["reason"], actor=request.user, now=timezone.now())

    return form_page(
        request, form, perform, proposal=proposal, part="work", heading=f"Done: {found.title}", button="It is done",
    )  # fmt: skip


@require_http_methods(PAGE)
@console_page(right=WRITE, post=WRITE)
def watch(request: StaffRequest, key: int) -> HttpResponse:
    """Before the window the forecast, within it the measurements."""
    proposal = get_object_or_404(RedesignProposal, pk=key)
    now = timezone.now()
    if proposal.status == ProposalStatus.WATCHING:
        measure = MeasureForm(request.POST or None, lines=proposal.watch)
        return form_page(
            request,
            measure,
            lambda: watch_measure(
                proposal_id=key,
                actuals=measure.actuals(),
                reason=measure.cleaned_data["reason"],
                actor=request.user,
                now=now,
            ),
            proposal=proposal,
            part="outcome",
            heading="What was measured",
            button="Record",
        )
    form = WatchForm(request.POST or None, now=now)
    return form_page(
        request,
        form,
        lambda: watch_start(
            proposal_id=key,
            until=form.cleaned_data["until"],
            lines=form.forecast(),
            reason=form.cleaned_data["reason"],
            actor=request.user,
            now=now,
        ),
        proposal=proposal,
        part="outcome",
        heading="Watch the result",
        button="Start watching",
    )


def _item(key: int, item_key: int) -> tuple[RedesignProposal, WorkItem]:
    found = get_object_or_404(WorkItem.objects.select_related("proposal"), pk=item_key, proposal_id=key)
    assert found.proposal is not None
    return found.proposal, found


def _done_form(request: StaffRequest, item: WorkItem) -> ReasonForm | None:
    """For an owner, while what the task waits for has ended."""
    is_mine = item.status not in WORK_ENDED and item.owners.filter(pk=request.user.pk).exists()
    return ReasonForm(auto_id="done_%s") if is_mine else None
