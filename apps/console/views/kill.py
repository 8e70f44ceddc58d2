from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.console.forms import KillForm, ReasonForm
from apps.console.http import StaffRequest, console_page, is_fragment, page, status_of
from apps.core.exceptions import ApplicationError
from apps.risk.models import KillRun
from apps.risk.scopes import scope_text
from apps.risk.selectors import states_restricting
from apps.risk.services import kill_switch_trip, resume_request
from apps.trading.selectors import account_default, orders_open

RUNS_SHOWN = 8


@require_http_methods(["GET", "HEAD", "POST"])
@console_page
def kill(request: StaffRequest) -> HttpResponse:
    """One confirmation, one press; never a second person."""
    account, market = account_default(), request.GET.get("market", "")
    form = KillForm(request.POST or None, account=account.name if account else "", market=market)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            scope, scope_id = form.scope()
            try:
                run = kill_switch_trip(
                    scope=scope,
                    scope_id=scope_id,
                    reason=form.cleaned_data["reason"],
                    actor=request.user,
                    now=timezone.now(),
                )
                return redirect("console:kill-run", run.pk)
            except ApplicationError as error:
                form.add_error(None, error.message)
                status = status_of(error)
    resting = len(orders_open(account=account, limit=1000)) if account else 0
    return page(
        request,
        "console/kill.html",
        {
            "form": form,
            "resting": resting,
            "stops": _stops(),
            "runs": _runs(),
            "resume_form": ReasonForm(auto_id="resume_%s"),
        },
        status=status,
    )


@require_safe
@console_page
def kill_run(request: StaffRequest, key: int) -> HttpResponse:
    """How far one press has come; polled until zero is proved or known not to be."""
    run = get_object_or_404(KillRun.objects.select_related("pressed_by"), pk=key)
    context = {"run": run, "scope": scope_text(run.scope, run.scope_id)}
    return page(request, "console/_kill_progress.html" if is_fragment(request) else "console/kill_run.html", context)


@require_POST
@console_page
def resume(request: StaffRequest) -> HttpResponse:
    """Asks a second person to let a stopped scope trade again."""
    form = ReasonForm(request.POST, auto_id="resume_%s")
    status = 422
    if form.is_valid():
        try:
            asked = resume_request(
                scope=request.POST.get("scope", ""),
                scope_id=request.POST.get("scope_id", ""),
                reason=form.cleaned_data["reason"],
                actor=request.user,
                now=timezone.now(),
            )
            return redirect("console:approval", asked.pk)
        except ApplicationError as error:
            form.add_error(None, error.message)
            status = status_of(error)
    account = account_default()
    context = {
        "form": KillForm(account=account.name if account else ""),
        "resting": None,
        "stops": _stops(),
        "runs": _runs(),
        "resume_form": form,
    }
    return page(request, "console/kill.html", context, status=status)


def _runs() -> list[dict[str, object]]:
    """The latest presses, each with a way to its progress."""
    runs = KillRun.objects.select_related("pressed_by")[:RUNS_SHOWN]
    return [{"run": run, "scope": scope_text(run.scope, run.scope_id)} for run in runs]


def _stops() -> list[dict[str, object]]:
    return [
        {
            "scope": row.scope,
            "scope_id": row.scope_id,
            "text": scope_text(row.scope, row.scope_id),
            "state": row.state,
            "reason": row.reason,
            "by": row.changed_by.get_username() if row.changed_by else "the platform",
            "at": row.changed_at,
        }
        for row in states_restricting()
    ]
