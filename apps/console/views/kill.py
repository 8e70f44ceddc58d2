from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from apps.console.forms import KillForm, ResumeForm
from apps.console.guards import guardian_tile
from apps.console.http import StaffRequest, console_page, is_fragment, page, status_of
from apps.console.kill_progress import kill_command, kill_progress
from apps.console.mission import guardian_told
from apps.console.resuming import checks_known, stops_in_force
from apps.console.stopping import EVERYTHING, all_choices, is_target, resting_count, target_of
from apps.core.exceptions import ApplicationError
from apps.risk.choices import Permission
from apps.risk.models import KillRun
from apps.risk.scopes import scope_text
from apps.risk.services import kill_switch_trip, resume_request
from apps.trading.selectors import account_default

RUNS_SHOWN = 8


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(post=Permission.TRIP_KILL_SWITCH.full)
def kill(request: StaffRequest) -> HttpResponse:
    """One confirmation, one press; never a second person."""
    resting = resting_count()
    market = request.GET.get("market", "")
    asked = f"market:{market}" if market else request.GET.get("target", "")
    target = target_of(asked)
    choices = all_choices(resting=resting, also=target)
    form = KillForm(request.POST or None, choices=choices, target=target or EVERYTHING)
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
    now = timezone.now()
    context = {
        "now": now,
        "form": form,
        "resting": resting.total,
        "guardian": guardian_tile(now=now, told_at=guardian_told()),
        "command": kill_command(*_scope_of(target)),
        "unknown": asked if asked and not target else "",
        "stops": stops_in_force(),
        "runs": _runs(),
    }
    return page(request, "console/kill.html", context, status=status)


@require_safe
@console_page
def kill_run(request: StaffRequest, key: int) -> HttpResponse:
    """How far one press has come; looked at until zero is proved or known not to be."""
    run = get_object_or_404(KillRun.objects.select_related("pressed_by"), pk=key)
    now = timezone.now()
    fragment = is_fragment(request)
    context = {"now": now, "kill": kill_progress(run, now=now), "fragment": fragment}
    return page(request, "console/_kill_progress.html" if fragment else "console/kill_run.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(post=Permission.RESUME_TRADING.full)
def resume(request: StaffRequest) -> HttpResponse:
    """Asks a second person to let a stopped scope trade again, once every line of the checklist is ticked."""
    form: ResumeForm | None = None
    status = 200
    if request.method == "POST":
        form, status = ResumeForm(request.POST), 422
        if form.is_valid():
            try:
                asked = resume_request(
                    scope=form.cleaned_data["scope"],
                    scope_id=form.cleaned_data["scope_id"],
                    reason=form.cleaned_data["reason"],
                    checked=form.ticked(),
                    actor=request.user,
                    now=timezone.now(),
                )
                return redirect("console:approval", asked.pk)
            except ApplicationError as error:
                form.add_error(None, error.message)
                status = status_of(error)
    now = timezone.now()
    stops = stops_in_force()
    known = checks_known(account=account_default(), now=now) if stops else {}
    context = {"now": now, "lines": [_line(stop, form, known) for stop in stops], "failed": form}
    return page(request, "console/resume.html", context, status=status)


def _line(stop: Any, form: ResumeForm | None, known: dict[str, Any]) -> dict[str, Any]:
    """One stop with its form: the posted one where it was this stop's."""
    if form is None or form.stop_key != stop.key:
        initial = {"scope": stop.scope, "scope_id": stop.scope_id}
        form = ResumeForm(initial=initial, auto_id=f"resume_{stop.key.replace(':', '_')}_%s")
    return {"stop": stop, "form": form, "checks": [(field, known[field.name]) for field in form.checks()]}


def _scope_of(target: str) -> tuple[str, str]:
    scope, _, which = target.partition(":")
    return (scope, which) if is_target(target) else ("global", "")


def _runs() -> list[dict[str, object]]:
    """The latest presses, each with a way to its progress."""
    runs = KillRun.objects.select_related("pressed_by")[:RUNS_SHOWN]
    return [{"run": run, "scope": scope_text(run.scope, run.scope_id)} for run in runs]
