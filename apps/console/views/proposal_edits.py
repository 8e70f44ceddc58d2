from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from apps.console.http import StaffRequest, console_page, page
from apps.console.proposal_forms import EvidenceForm, OptionForm, ProposalForm, ResultForm, SlotForm
from apps.console.proposal_steps import form_page, performed, proposal_url
from apps.governance.choices import ProposalPermission
from apps.governance.models import RedesignProposal
from apps.governance.proposal_selectors import option_list
from apps.governance.services.proposals import option_put, proposal_create, proposal_edit, slot_add
from apps.governance.services.proposals_evidence import evidence_attach, option_result_record

WRITE = ProposalPermission.WRITE.full
PAGE = ["GET", "HEAD", "POST"]


@require_http_methods(PAGE)
@console_page(right=WRITE, post=WRITE)
def new(request: StaffRequest) -> HttpResponse:
    """A draft; options and evidence come afterwards, on its own page."""
    form, status = ProposalForm(request.POST or None, initial={"revision": 0}), 200
    made: list[RedesignProposal] = []
    if request.method == "POST":
        failed = performed(
            form,
            lambda: made.append(
                proposal_create(
                    content=form.content(), reason=form.cleaned_data["reason"], actor=request.user, now=timezone.now()
                )
            ),
        )
        if failed is None:
            return redirect(proposal_url(made[0].pk))
        status = failed
    context = {"form": form, "heading": "Propose a redesign", "button": "Keep as a draft"}
    return page(request, "console/proposal_form.html", context, status=status)


@require_http_methods(PAGE)
@console_page(right=WRITE, post=WRITE)
def edit(request: StaffRequest, key: int) -> HttpResponse:
    proposal = _proposal(key)
    form = ProposalForm(request.POST) if request.method == "POST" else ProposalForm.of(proposal)

    def perform() -> None:
        proposal_edit(
            proposal_id=key,
            revision=form.cleaned_data["revision"],
            content=form.content(),
            reason=form.cleaned_data["reason"],
            actor=request.user,
            now=timezone.now(),
        )

    return form_page(
        request, form, perform, proposal=proposal, part="problem", heading="Edit the problem", button="Save",
        is_edit=True,
    )  # fmt: skip


@require_http_methods(PAGE)
@console_page(right=WRITE, post=WRITE)
def option(request: StaffRequest, key: int, letter: str = "") -> HttpResponse:
    proposal = _proposal(key)
    found = get_object_or_404(proposal.options, key=letter) if letter else None
    form = OptionForm(request.POST) if request.method == "POST" else OptionForm.of(found, proposal.revision)

    def perform() -> None:
        option_put(
            proposal_id=key,
            key=letter,
            revision=form.cleaned_data["revision"],
            content=form.content(),
            reason=form.cleaned_data["reason"],
            actor=request.user,
            now=timezone.now(),
        )

    heading = f"Edit option {letter}" if letter else "Add an option"
    return form_page(
        request, form, perform, proposal=proposal, part="options", heading=heading, button="Save", is_edit=True
    )


@require_http_methods(PAGE)
@console_page(right=WRITE, post=WRITE)
def slot(request: StaffRequest, key: int) -> HttpResponse:
    form = SlotForm(request.POST or None)

    def perform() -> None:
        slot_add(
            proposal_id=key,
            slot=form.slot(),
            owner=form.cleaned_data["owner"],
            reason=form.cleaned_data["reason"],
            actor=request.user,
            now=timezone.now(),
        )

    return form_page(
        request, form, perform, proposal=_proposal(key), part="evidence", heading="Ask for evidence", button="Ask"
    )


@require_http_methods(PAGE)
@console_page(right=WRITE, post=WRITE)
def evidence(request: StaffRequest, key: int, slot_key: str) -> HttpResponse:
    proposal = _proposal(key)
    found = get_object_or_404(proposal.slots, key=slot_key)
    form = EvidenceForm(request.POST or None)

    def perform() -> None:
        evidence_attach(slot_id=found.pk, actor=request.user, now=timezone.now(), **form.cleaned_data)

    return form_page(
        request, form, perform, proposal=proposal, part="evidence", heading=f"Evidence: {found.title}",
        button="Attach", wanted=found.wanted, is_edit=True,
    )  # fmt: skip


@require_http_methods(PAGE)
@console_page(right=WRITE, post=WRITE)
def result(request: StaffRequest, key: int) -> HttpResponse:
    proposal = _proposal(key)
    form = ResultForm(request.POST or None, proposal=proposal, options=option_list(proposal))

    def perform() -> None:
        option_result_record(**form.result(), actor=request.user, now=timezone.now())

    return form_page(
        request, form, perform, proposal=proposal, part="results", heading="Record a scenario result",
        button="Record", is_edit=True,
    )  # fmt: skip


def _proposal(key: int) -> RedesignProposal:
    return get_object_or_404(RedesignProposal, pk=key)
