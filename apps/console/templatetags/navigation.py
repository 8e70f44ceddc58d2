"""The two rows of the menu."""

from __future__ import annotations

from typing import Any

from django import template

from apps.console.navigation import AREAS, area_of

register = template.Library()


@register.inclusion_tag("console/_areas.html", takes_context=True)
def areas(context: dict[str, Any]) -> dict[str, Any]:
    return {"areas": AREAS, "open_area": area_of(_here(context)), "approvals_open": context.get("approvals_open")}


@register.inclusion_tag("console/_places.html", takes_context=True)
def places(context: dict[str, Any]) -> dict[str, Any]:
    """The pages of the open area; `here` is the one that this address belongs to, if any."""
    url_name = _here(context)
    area = area_of(url_name)
    here = next((place for place in area.places if place.holds(url_name)), None)
    return {"area": area, "here": here, "approvals_open": context.get("approvals_open")}


def _here(context: dict[str, Any]) -> str:
    match = context["request"].resolver_match
    return "" if match is None else match.url_name or ""
