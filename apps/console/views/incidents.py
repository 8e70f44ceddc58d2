from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from apps.console.compliance_forms import (
    ActionForm,
    AssignForm,
    CloseForm,
    DoneForm,
    IncidentForm,
    LessonForm,
    MoveForm,
    NoteForm,
    ServiceForm,
)
from apps.console.http import StaffRequest, console_page, page, status_of
from apps.core.exceptions import ApplicationError
from apps.core.permissions import is_holder
from apps.governance.choices import CompliancePermission, IncidentStatus
from apps.governance.compliance_selectors import closing_missing, incident_list, lesson_list
from apps.governance.models import Incident, IncidentAction
from apps.governance.services.incidents import (
    incident_action_add,
    incident_action_done,
    incident_assign,
    incident_close,
    incident_move,
    incident_note,
    incident_open,
    may_close,
)
from apps.governance.services.lessons import lesson_write

WORK = CompliancePermission.WORK_INCIDENTS.full
LESSONS_SHOWN = 100
# Each step of an incident: its form and the service that takes it.
STEPS: dict[str, tuple[type[ServiceForm], Callable[..., Any]]] = {
    "note": (NoteForm, incident_note),
    "move": (MoveForm, incident_move),
    "assign": (AssignForm, incident_assign),
    "action": (ActionForm, incident_action_add),
    "close": (CloseForm, incident_close),
}


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(post=WORK)
def incidents(request: StaffRequest) -> HttpResponse:
    """What went wrong and where it stands; a POST opens one."""
    now, form, status = timezone.now(), IncidentForm(request.POST or None), 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                return redirect("console:incident", incident_open(**form.cleaned_data, actor=request.user, now=now).pk)
            except ApplicationError as error:
                form.add_service_error(error)
                status = status_of(error)
    wanted = request.GET.get("status", IncidentStatus.OPEN)
    context = {
        "now": now,
        "rows": incident_list(status=wanted),
        "wanted": wanted,
        "filters": [("open", "Not closed"), ("closed", "Closed"), ("all", "All")],
        "form": form,
        "may_work": is_holder(request.user, WORK),
    }
    return page(request, "console/incidents.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(post=WORK)
def incident(request: StaffRequest, key: int) -> HttpResponse:
    """One incident; `do` of a POST names the step."""
    found = get_object_or_404(Incident.objects.select_related("owner", "opened_by", "closed_by"), pk=key)
    forms, status = _forms(found), 200
    if request.method == "POST":
        do = request.POST.get("do", "")
        if do not in STEPS:
            return HttpResponse("There is no such step", status=422, content_type="text/plain")
        form_type, service = STEPS[do]
        forms[do] = form = form_type(request.POST, auto_id=f"{do}-%s")
        status = 422
        if form.is_valid():
            try:
                service(incident_id=key, actor=request.user, now=timezone.now(), **form.cleaned_data)
                return redirect("console:incident", key)
            except ApplicationError as error:
                form.add_service_error(error)
                status = status_of(error)
    return _incident_page(request, found, forms, status)


@require_POST
@console_page(post=WORK)
def incident_action(request: StaffRequest, key: int) -> HttpResponse:
    """Marks an action as done."""
    action = get_object_or_404(IncidentAction.objects.select_related("incident__owner"), pk=key)
    form, status = DoneForm(request.POST, auto_id=f"done{key}-%s"), 422
    if form.is_valid():
        try:
            incident_action_done(action_id=key, actor=request.user, now=timezone.now(), **form.cleaned_data)
            return redirect("console:incident", action.incident_id)
        except ApplicationError as error:
            form.add_service_error(error)
            status = status_of(error)
    return _incident_page(request, action.incident, _forms(action.incident), status, done=form)


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(post=WORK)
def lessons(request: StaffRequest) -> HttpResponse:
    """What was learned, to be found again; a POST writes one."""
    now, words = timezone.now(), request.GET.get("q", "")
    form, status = LessonForm(request.POST or None, initial={"incident": request.GET.get("incident")}), 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            data = form.cleaned_data
            try:
                lesson_write(
                    title=data["title"],
                    text=data["text"],
                    tags=data["tags"],
                    incident_id=data["incident"].pk if data["incident"] else None,
                    about=form.about(),
                    actor=request.user,
                    now=now,
                )
                return redirect("console:lessons")
            except ApplicationError as error:
                form.add_service_error(error)
                status = status_of(error)
    context = {
        "now": now,
        "rows": lesson_list(words=words)[:LESSONS_SHOWN],
        "words": words,
        "form": form,
        "may_work": is_holder(request.user, WORK),
    }
    return page(request, "console/lessons.html", context, status=status)


def _forms(found: Incident) -> dict[str, ServiceForm]:
    forms = {do: form_type(auto_id=f"{do}-%s") for do, (form_type, _) in STEPS.items()}
    return forms | {"move": MoveForm(auto_id="move-%s", now=found.status)}


def _incident_page(
    request: StaffRequest, found: Incident, forms: dict[str, ServiceForm], status: int, *, done: DoneForm | None = None
) -> HttpResponse:
    context = {
        "now": timezone.now(),
        "incident": found,
        "entries": found.entries.select_related("event"),
        "actions": found.actions.select_related("owner", "done_by"),
        "lessons": found.lessons.all(),
        "forms": forms,
        "done": done,
        "missing": closing_missing(found) if found.is_open else [],
        "may_work": is_holder(request.user, WORK),
        "may_close": may_close(found, request.user),
        "today": timezone.now().date(),
    }
    return page(request, "console/incident.html", context, status=status)
