"""Steps a person may take from the admin: a page that explains and asks for a reason, then one service call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextareaWidget

from .exceptions import ApplicationError
from .stepup import FreshFactor, StepUpNeeded, factor_of


class ReasonForm(forms.Form):
    """What every step asks for; `error_fields` maps an error's `extra["field"]` onto a field of the form."""

    reason = forms.CharField(
        label="Reason",
        help_text="Kept in the audit trail, for whoever looks at this later.",
        widget=UnfoldAdminTextareaWidget({"rows": 3}),
        max_length=2000,
    )
    error_css_class = "errors"

    def add_service_error(self, error: ApplicationError) -> None:
        field = error.extra.get("field")
        self.add_error(field if field in self.fields else None, error.message)


@dataclass(frozen=True, slots=True)
class TaskCall:
    """What a step is called with. `obj` is None for a step of the list page."""

    actor: Any
    obj: Any
    data: dict[str, Any]
    now: datetime
    factor: FreshFactor | None = None


def task_call(request: HttpRequest, obj: Any, form: ReasonForm) -> TaskCall:
    return TaskCall(request.user, obj, form.cleaned_data, timezone.now(), factor_of(request))


def asked_text(number: int, *, at_once: bool) -> str:
    """What became of a change that was asked for: most wait for others, what only lowers risk does not."""
    if at_once:
        return f"In force at once, since it only lowers risk. Somebody looks at request {number} afterwards."
    return f"Request {number} waits for another person. Nothing has changed yet."


def plain_form(obj: Any, data: Any) -> ReasonForm:
    return ReasonForm(data)


@dataclass(frozen=True, kw_only=True, slots=True)
class AdminTask:
    """One step. `perform` makes one service call and returns the sentence that says what happened.

    `permission` ("app.codename") guards the page; the service checks again. `is_offered` decides whether the button
    shows, `preview` is HTML shown above the form.
    """

    name: str
    label: str
    explanation: str
    permission: str
    perform: Callable[[TaskCall], str]
    make_form: Callable[[Any, Any], ReasonForm] = plain_form
    is_offered: Callable[[Any, Any], bool] = lambda obj, user: True
    preview: Callable[[Any], str] | None = None
    icon: str = "arrow_forward"
    is_danger: bool = False


class TaskAdminMixin:
    """Adds `object_tasks` to the object page and `list_tasks` to the list page."""

    object_tasks: tuple[AdminTask, ...] = ()
    list_tasks: tuple[AdminTask, ...] = ()

    def get_urls(self) -> list[URLPattern]:
        info = f"{self.model._meta.app_label}_{self.model._meta.model_name}"  # type: ignore[attr-defined]
        wrap = self.admin_site.admin_view  # type: ignore[attr-defined]
        own = [
            path(f"{t.name}/", wrap(partial(self.task_view, task=t, object_id=None)), name=f"{info}_{t.name}")
            for t in self.list_tasks
        ] + [
            path(f"<path:object_id>/{t.name}/", wrap(partial(self.task_view, task=t)), name=f"{info}_{t.name}")
            for t in self.object_tasks
        ]
        return own + super().get_urls()  # type: ignore[misc]

    def task_url(self, task: AdminTask, obj: Any = None) -> str:
        opts = self.model._meta  # type: ignore[attr-defined]
        name = f"admin:{opts.app_label}_{opts.model_name}_{task.name}"
        return reverse(name, args=[] if obj is None else [obj.pk])

    def task_links(self, request: HttpRequest, obj: Any = None) -> list[dict[str, Any]]:
        """The buttons this person gets, in the form the templates use."""
        return [
            {
                "title": t.label,
                "link": self.task_url(t, obj),
                "icon": t.icon,
                "is_danger": t.is_danger,
            }
            for t in (self.list_tasks if obj is None else self.object_tasks)
            if request.user.has_perm(t.permission) and t.is_offered(obj, request.user)
        ]

    def task_view(self, request: HttpRequest, object_id: str | None, *, task: AdminTask) -> HttpResponse:
        obj = None
        if object_id is not None:
            obj = self.get_object(request, unquote(object_id))  # type: ignore[attr-defined]
            if obj is None:
                raise Http404(f"There is no {self.model._meta.verbose_name} {object_id}")  # type: ignore[attr-defined]
        if not (self.has_view_permission(request, obj) and request.user.has_perm(task.permission)):  # type: ignore[attr-defined]
            raise PermissionDenied
        try:
            form = task.make_form(obj, request.POST if request.method == "POST" else None)
        except ApplicationError as error:
            messages.error(request, error.message)
            return HttpResponseRedirect(self._after(obj))
        if form.is_valid():
            try:
                done = task.perform(task_call(request, obj, form))
            except StepUpNeeded:
                raise
            except ApplicationError as error:
                form.add_service_error(error)
            else:
                messages.success(request, done)
                return HttpResponseRedirect(self._after(obj))
        return self._confirm_page(request, task, form, obj)

    def _after(self, obj: Any) -> str:
        opts = self.model._meta  # type: ignore[attr-defined]
        base = f"admin:{opts.app_label}_{opts.model_name}"
        return reverse(f"{base}_changelist") if obj is None else reverse(f"{base}_change", args=[obj.pk])

    def _confirm_page(self, request: HttpRequest, task: AdminTask, form: ReasonForm, obj: Any) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "opts": self.model._meta,  # type: ignore[attr-defined]
            "title": task.label,
            "original": obj,
            "task": task,
            "form": form,
            "preview": task.preview(obj) if task.preview else "",
            "back_url": self._after(obj),
        }
        return TemplateResponse(request, "admin/confirm_task.html", context, status=422 if form.is_bound else 200)
