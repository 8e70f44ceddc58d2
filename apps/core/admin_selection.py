"""Steps for several rows of a list at once: choose, read what will happen, give one reason, see what became of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode

from .admintasks import AdminTask, ReasonForm, task_call
from .exceptions import ApplicationError
from .stepup import StepUpNeeded

MOST = 100


class SelectionMixin:
    """Adds `selection_tasks` to the list page. Each is performed row by row, every row in a transaction of its own."""

    selection_tasks: tuple[AdminTask, ...] = ()

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view  # type: ignore[attr-defined]
        own = [
            path(f"selected/{t.name}/", wrap(partial(self.selection_view, task=t)), name=self._url_name(t))
            for t in self.selection_tasks
        ]
        return own + super().get_urls()  # type: ignore[misc]

    def get_actions(self, request: HttpRequest) -> dict[str, tuple[Callable[..., Any], str, str] | None]:
        actions = super().get_actions(request)  # type: ignore[misc]
        for task in self.selection_tasks:
            if request.user.has_perm(task.permission):
                actions[task.name] = (partial(_go_to_page, task=task), task.name, f"{task.label} …")
        return actions

    def _url_name(self, task: AdminTask) -> str:
        opts = self.model._meta  # type: ignore[attr-defined]
        return f"{opts.app_label}_{opts.model_name}_selected_{task.name}"

    def selection_url(self, task: AdminTask, keys: Iterable[str]) -> str:
        return f"{reverse(f'admin:{self._url_name(task)}')}?{urlencode({'pk': list(keys)}, doseq=True)}"

    def selection_view(self, request: HttpRequest, *, task: AdminTask) -> HttpResponse:
        if not (self.has_view_permission(request) and request.user.has_perm(task.permission)):  # type: ignore[attr-defined]
            raise PermissionDenied
        given = request.POST if request.method == "POST" else request.GET
        rows = self._chosen(request, given.getlist("pk"))
        ready = [row for row in rows if task.is_offered(row, request.user)]
        if not ready:
            messages.error(request, f"{task.label}: none of the {len(rows)} chosen can be taken that way now.")
            return HttpResponseRedirect(self._list_url())
        form = task.make_form(None, request.POST if request.method == "POST" else None)
        if form.is_valid():
            self._perform_each(request, task, form, ready)
            return HttpResponseRedirect(self._list_url())
        context = {
            **self.admin_site.each_context(request),  # type: ignore[attr-defined]
            "opts": self.model._meta,  # type: ignore[attr-defined]
            "title": task.label,
            "task": task,
            "form": form,
            "ready": ready,
            "passed_over": [row for row in rows if row not in ready],
            "back_url": self._list_url(),
        }
        return TemplateResponse(request, "admin/confirm_task.html", context, status=422 if form.is_bound else 200)

    def _chosen(self, request: HttpRequest, keys: Sequence[str]) -> list[Any]:
        numbers = [int(key) for key in keys[:MOST] if key.isascii() and key.isdigit()]
        return list(self.get_queryset(request).filter(pk__in=numbers))  # type: ignore[attr-defined]

    def _perform_each(self, request: HttpRequest, task: AdminTask, form: ReasonForm, rows: Sequence[Any]) -> None:
        refused = []
        for row in rows:
            try:
                task.perform(task_call(request, row, form))
            except StepUpNeeded:
                raise
            except ApplicationError as error:
                refused.append(f"{row}: {error.message}")
        done = len(rows) - len(refused)
        if done:
            messages.success(request, f"{task.label}: done for {done} of {len(rows)}.")
        if refused:
            messages.error(request, f"{task.label}: refused for {len(refused)}. {'; '.join(refused)}")

    def _list_url(self) -> str:
        opts = self.model._meta  # type: ignore[attr-defined]
        return reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")


def _go_to_page(
    modeladmin: SelectionMixin, request: HttpRequest, queryset: QuerySet, *, task: AdminTask
) -> HttpResponse:
    keys = queryset.values_list("pk", flat=True)[:MOST]
    return HttpResponseRedirect(modeladmin.selection_url(task, map(str, keys)))
