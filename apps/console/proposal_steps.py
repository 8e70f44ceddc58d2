"""What the pages of a proposal do with a form: one service call, then back, or the form again with what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from apps.core.exceptions import ApplicationError
from apps.core.stepup import StepUpNeeded
from apps.governance.models import RedesignProposal

from .http import StaffRequest, page, status_of

Perform = Callable[[], object]


def proposal_url(key: int, part: str = "") -> str:
    return reverse("console:proposal", args=[key]) + (f"#{part}" if part else "")


def performed(form: forms.Form, perform: Perform) -> int | None:
    """Calls the service if the form holds; None when it is done, else the status the form is shown again with."""
    if not form.is_valid():
        return 422
    try:
        perform()
    except StepUpNeeded:
        raise
    except ApplicationError as error:
        field = error.extra.get("field")
        form.add_error(field if field in form.fields else None, error.message)
        return status_of(error)
    return None


def form_page(
    request: StaffRequest,
    form: forms.Form,
    perform: Perform,
    *,
    proposal: RedesignProposal | None,
    part: str,
    heading: str,
    button: str,
    **context: Any,
) -> HttpResponse:
    """A page with one form; its POST performs and goes back to that part of the proposal."""
    status = 200
    if request.method == "POST":
        failed = performed(form, perform)
        if failed is None:
            assert proposal is not None
            return redirect(proposal_url(proposal.pk, part))
        status = failed
    context |= {"form": form, "proposal": proposal, "part": part, "heading": heading, "button": button}
    return page(request, "console/proposal_form.html", context, status=status)
