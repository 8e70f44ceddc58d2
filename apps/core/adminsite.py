"""The platform's admin site and the bases its admin classes choose from.

Every admin class chooses a base, a `job`, the part of the work it belongs to on the index page, and the `question` its
list answers.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, cast

from django.contrib.admin import ShowFacets
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline
from unfold.paginator import InfinitePaginator
from unfold.sites import UnfoldAdminSite

from .admin_filters import asks
from .admin_index import Counted, WaitingLine, capped_counts, panels_html, waiting_for
from .admin_links import ConsolePage, audit_href, console_href
from .admin_palette import palette_results
from .admin_selection import SelectionMixin
from .admintasks import TaskAdminMixin

RUN, LIMITS, REVIEW, DATA, PEOPLE = JOBS = ("Run", "Limits", "Review", "Data", "People")
__all__ = [
    "DATA",
    "JOBS",
    "LIMITS",
    "PEOPLE",
    "REVIEW",
    "RUN",
    "ApprovalAdmin",
    "BulkFactsAdmin",
    "PlainAdmin",
    "PlatformAdminSite",
    "ReadOnlyAdmin",
    "ReadOnlyInline",
    "asks",
    "json_html",
]

# The console's blue and its greys, so that the admin and mission control look like one thing.
GREY = {
    "50": "#f6f7f9",
    "100": "#eef0f3",
    "200": "#d3d8df",
    "300": "#b5bdc8",
    "400": "#a2adbb",
    "500": "#626d7b",
    "600": "#505a67",
    "700": "#3a4450",
    "800": "#2a323d",
    "900": "#141920",
    "950": "#0b0e13",
}
BLUE = {
    "50": "#eff6fd",
    "100": "#dcebfa",
    "200": "#b9d8f6",
    "300": "#8ec1f0",
    "400": "#74b8ff",
    "500": "#5aa9f5",
    "600": "#0a56a3",
    "700": "#084a8d",
    "800": "#063b70",
    "900": "#052d56",
    "950": "#031c37",
}


class PlatformAdminSite(UnfoldAdminSite):
    site_title = "kalshiops"
    site_header = "kalshiops"
    index_title = "Operations"

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Only what stands on our bases: a library's own admin would show, and let people edit, what it keeps.

        Django's own classes are taken as well, since ours take their place as they are loaded.
        """
        made_here = admin_class is not None and issubclass(admin_class, PlainAdmin)
        if made_here or (admin_class is not None and admin_class.__module__.startswith("django.contrib.")):
            super().register(model_or_iterable, admin_class, **options)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        return {
            **context,
            "colors": {**context["colors"], "primary": BLUE, "base": GREY},
            "styles": [*context["styles"], static("admin/desk.css")],
            "scripts": [*context["scripts"], static("admin/desk.js")],
        }

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Models by job instead of by app, both on the index page and in the sidebar."""
        if app_label is not None:
            return super().get_app_list(request, app_label)
        by_job: dict[str, list[Any]] = {job: [] for job in JOBS}
        for app in self._build_app_dict(request).values():
            for model in app["models"]:
                made_by = self._registry[model["model"]]
                model["question"] = getattr(made_by, "question", "")
                by_job[getattr(made_by, "job", DATA)].append(model)
        return [
            {
                "name": job,
                "app_label": job.lower(),
                "app_url": f"{reverse('admin:index', current_app=self.name)}#{job.lower()}",
                "has_module_perms": True,
                "models": sorted(models, key=lambda model: model["name"].lower()),
            }
            for job, models in by_job.items()
            if models
        ]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        now = timezone.now()
        jobs = self.get_app_list(request)
        extra = {"jobs": jobs, "waiting": self._count(request, jobs, now), "panels": panels_html(request, now)}
        return super().index(request, {**extra, **(extra_context or {})})

    def _count(self, request: HttpRequest, jobs: list[Any], now: datetime) -> list[WaitingLine]:
        """Gives the models their `count`, and returns what waits for somebody; both from one query."""
        person = cast(User, request.user)
        waiting = waiting_for(person)
        lists = []
        for model in (model for job in jobs for model in job["models"]):
            rows = self._registry[model["model"]].index_rows(now)
            if rows is not None:
                lists.append((model, *rows))
        numbers = capped_counts([rows for _, _, rows in lists] + [line.rows(person, now) for line in waiting])
        for (model, words, _), number in zip(lists, numbers, strict=False):
            model["count"] = Counted(number, words)
        found = zip(waiting, numbers[len(lists) :], strict=True)
        return [WaitingLine(line.label, line.href, line.mark, Counted(number)) for line, number in found if number]

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The command palette: lists by name and question, and objects by the one key people know them by."""
        term = request.GET.get("s", "").strip()
        if not term:
            return HttpResponse()
        results = palette_results(self, request, term)
        return TemplateResponse(
            request, "admin/_palette.html", {"results": results, "term": term}, headers={"HX-Trigger": "search"}
        )


class PlainAdmin(SelectionMixin, TaskAdminMixin, ModelAdmin):
    """For what one person may edit: people, names, notes. Also the common ground of the other two."""

    job = DATA
    question = ""
    """What its list answers, one line for the index page."""
    no_filter = ""
    """Why the list has no filter, where it has none."""
    console_page: ConsolePage | None = None
    palette_key = ""
    """The field under which the command palette finds one object, whole and exact."""
    deferred_in_list: tuple[str, ...] = ()
    """Heavy columns that the list page does not show."""
    list_per_page = 50
    show_full_result_count = False
    list_filter_submit = False
    list_fullwidth = True
    list_disable_select_all = True

    def index_rows(self, now: datetime) -> tuple[str, QuerySet] | None:
        """What the index page counts, and the word for it; None for what is too many to be worth a number."""
        return "", self.model._default_manager.all()

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request)
        match = request.resolver_match
        is_list = match is not None and "object_id" not in match.kwargs
        return rows.defer(*self.deferred_in_list) if is_list and self.deferred_in_list else rows

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        extra = {"task_links": self.task_links(request), "question": self.question}
        return super().changelist_view(request, {**extra, **(extra_context or {})})

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        obj = context.get("original")
        if obj is not None:
            context["task_links"] = self.task_links(request, obj)
            context["audit_url"] = audit_href(obj) if request.user.has_perm("governance.view_auditevent") else None
            context["console_url"] = console_href(self.console_page, obj)
        return super().render_change_form(request, context, *args, **kwargs)


class ReadOnlyAdmin(PlainAdmin):
    """For facts: may be looked at, never added, changed or removed here."""

    actions: Any = ()
    show_facets = ShowFacets.NEVER

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class CappedPaginator(InfinitePaginator):
    """Pages without counting, up to a depth: whoever is looking further down has a question to narrow the list by."""

    count = 10_000


class BulkFactsAdmin(ReadOnlyAdmin):
    """For facts that come by the thousand: no counting, newest first by key."""

    paginator = CappedPaginator
    ordering = ("-id",)

    def index_rows(self, now: datetime) -> tuple[str, QuerySet] | None:
        return None


class ApprovalAdmin(ReadOnlyAdmin):
    """For governed values: the page shows them; its button sends a proposal for another person to approve."""

    change_form_outer_before_template = "admin/governed.html"


class ReadOnlyInline(TabularInline):
    """Facts that belong to the object on the page."""

    extra = 0
    max_num = 0
    can_delete = False
    show_change_link = False
    tab = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def json_html(value: Any) -> str:
    """JSON for a person: indented, keys sorted."""
    text = json.dumps(value, indent=2, sort_keys=True)
    return format_html('<pre class="whitespace-pre-wrap break-words text-xs">{}</pre>', text)
