"""What the command palette finds: lists by name and by the question they answer, one object by its key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import reverse

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite


class Found(NamedTuple):
    title: str
    description: str
    link: str
    icon: str


def palette_results(site: AdminSite, request: HttpRequest, term: str) -> list[Found]:
    """Objects first, since a key names exactly one. Only what this person may look at."""
    lists = [(model, job["name"]) for job in site.get_app_list(request) for model in job["models"]]
    objects = [found for model, _ in lists for found in _objects(site, model["model"], term)]
    words = term.lower()
    named = [
        Found(str(model["name"]), model["question"] or job, model["admin_url"], "list")
        for model, job in lists
        if words in str(model["name"]).lower() or words in model["question"].lower()
    ]
    return objects + named


def _objects(site: AdminSite, model: Any, term: str) -> list[Found]:
    field = getattr(site._registry[model], "palette_key", "")
    if not field:
        return []
    try:
        row = model._default_manager.filter(**{field: term}).first()
    except (ValueError, ValidationError):
        return []
    if row is None:
        return []
    opts = model._meta
    link = reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[row.pk])
    return [Found(f"{term}: {row}", opts.verbose_name.capitalize(), link, "data_object")]
