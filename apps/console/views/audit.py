from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.http import FileResponse, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from apps.console.audit_page import AuditFilterForm, audit_lines
from apps.console.forms import ReasonForm
from apps.console.http import SEE, StaffRequest, before_key, console_page, page, status_of
from apps.core.exceptions import ApplicationError
from apps.core.stepup import StepUpNeeded, factor_of
from apps.governance.audit_selectors import audit_list, chain_state
from apps.governance.choices import AccessPermission
from apps.governance.services.audit_anchors import WINDOW, WINDOW_ROWS
from apps.governance.services.audit_export import audit_export
from apps.governance.services.audit_verification import audit_verify
from apps.trading.selectors import Page

ROWS_SHOWN = 50
EXPORT = AccessPermission.EXPORT_AUDIT.full


@require_safe
@console_page
def audit(request: StaffRequest) -> HttpResponse:
    """The chain's state, and its rows newest first; what they are narrowed to stands in the address."""
    return _page(request)


@require_POST
@console_page(post=SEE)
def verify(request: StaffRequest) -> HttpResponse:
    """Verifies the whole chain now. It changes nothing; the run is kept with who asked for it."""
    run = audit_verify(now=timezone.now(), actor=request.user)
    messages.info(request, f"{run.get_result_display()}: {run.rows:,} rows in {run.seconds} s")
    return redirect("console:audit")


@require_POST
@console_page(post=EXPORT)
def export(request: StaffRequest) -> HttpResponse:
    """The record with its signed heads and a verifier, as a download; on record itself, with the reason."""
    form = ReasonForm(request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    try:
        bundle = audit_export(
            actor=request.user,
            factor=factor_of(request),
            reason=form.cleaned_data["reason"],
            now=timezone.now(),
        )
    except StepUpNeeded:
        raise
    except ApplicationError as error:
        form.add_error(None, error.message)
        return _page(request, form, status=status_of(error))
    sent = FileResponse(bundle.file, as_attachment=True, filename=bundle.name, content_type="application/zip")
    return cast(HttpResponse, sent)  # a stream, which the record may be too long for to be anything else


def _page(request: StaffRequest, export_form: ReasonForm | None = None, *, status: int = 200) -> HttpResponse:
    form = AuditFilterForm(request.GET)
    rows = list(audit_list(**form.narrowed(), before=before_key(request))[: ROWS_SHOWN + 1])
    state = chain_state()
    shown = audit_lines(rows[:ROWS_SHOWN], state.last)
    context = {
        "now": timezone.now(),
        "state": state,
        "form": form,
        "found": Page(shown, shown[-1].event.sequence if len(rows) > ROWS_SHOWN else None),
        "window_rows": WINDOW_ROWS,
        "window_s": int(WINDOW.total_seconds()),
        "may_export": request.user.has_perm(EXPORT),
        "export_form": export_form,
    }
    return page(request, "console/audit.html", context, status=status)
