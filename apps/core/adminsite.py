"""The platform's admin site and the bases its admin classes choose from.

Every admin class chooses a base and a `job`, the part of the work it belongs to on the index page.
"""

from __future__ import annotations

import json
from typing import Any

from django.contrib.admin import FieldListFilter, ShowFacets
from django.contrib.admin.filters import ChoicesFieldListFilter
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from unfold.admin import ModelAdmin, TabularInline
from unfold.paginator import InfinitePaginator
from unfold.sites import UnfoldAdminSite

from .admintasks import TaskAdminMixin

RUN, LIMITS, REVIEW, DATA, PEOPLE = JOBS = ("Run", "Limits", "Review", "Data", "People")


# The console's blue, so that the admin and mission control look like one thing.
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

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        return {**context, "colors": {**context["colors"], "primary": BLUE}}

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Models by job instead of by app, both on the index page and in the sidebar."""
        if app_label is not None:
            return super().get_app_list(request, app_label)
        by_job: dict[str, list[Any]] = {job: [] for job in JOBS}
        for app in self._build_app_dict(request).values():
            for model in app["models"]:
                by_job[getattr(self._registry[model["model"]], "job", DATA)].append(model)
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


class PlainAdmin(TaskAdminMixin, ModelAdmin):
    """For what one person may edit: people, names, notes. Also the common ground of the other two."""

    job = DATA
    list_per_page = 50
    show_full_result_count = False
    list_filter_submit = False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, {"task_links": self.task_links(request), **(extra_context or {})})

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        obj = context.get("original")
        if obj is not None:
            context["task_links"] = self.task_links(request, obj)
            context["audit_url"] = self.audit_url(request, obj)
        return super().render_change_form(request, context, *args, **kwargs)

    def audit_url(self, request: HttpRequest, obj: Any) -> str | None:
        """Where everything that was done to this object is listed, for those who may see it."""
        if not request.user.has_perm("governance.view_auditevent"):
            return None
        opts = obj._meta
        query = urlencode({"object_type__in": f"{opts.label},{opts.object_name}", "object_id__exact": obj.pk})
        return f"{reverse('admin:governance_auditevent_changelist')}?{query}"


class ReadOnlyAdmin(PlainAdmin):
    """For facts: may be looked at, never added, changed or removed here."""

    actions: Any = None
    show_facets = ShowFacets.NEVER

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class BulkFactsAdmin(ReadOnlyAdmin):
    """For facts that come by the thousand: no counting, newest first by key."""

    paginator = InfinitePaginator
    ordering = ("-id",)


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


def asks(question: str, base: type[FieldListFilter] = ChoicesFieldListFilter) -> type[FieldListFilter]:
    """A list filter that is headed by the operator's question: `("status", asks("What became of it?"))`."""

    class Asked(base):  # type: ignore[misc, valid-type]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.title = question

    return Asked


def json_html(value: Any) -> str:
    """JSON for a person: indented, keys sorted."""
    text = json.dumps(value, indent=2, sort_keys=True)
    return format_html('<pre class="whitespace-pre-wrap break-words text-xs">{}</pre>', text)
