"""Every address the platform answers to, and what each is expected to ask for.

The console's come from the table below, which is written down here once more on purpose: a page that opens to more
people than this table says fails, and so does a page that is not in it. The admin's follow from what each admin class
is: facts can be looked at, tasks name their right.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.urls import URLPattern, URLResolver, get_resolver

from apps.core.adminsite import ReadOnlyAdmin

from .table import EVERYBODY, NOBODY, OWN, PUBLIC, SEE, Needs, table

SITE_PAGES = {"index", "app_list", "jsi18n", "search", "password_change_done", "view_on_site", ""}
SHADOWED = {"login", "logout", "password_change"}
SAMPLES = {
    "app_label": "risk",
    "kind": "totp",
    "letter": "A",
    "name": "balanced",
    "slot_key": "backtest",
    "slug": "maker-inside",
    "ticker": "KXTEST-26NOV20-T50",
    "url": "nowhere",
}


@dataclass(frozen=True, slots=True)
class Place:
    """One URL pattern; `route` as it is declared, `needs` what it is expected to ask for."""

    name: str
    route: str
    needs: Needs
    model: type[Model] | None = None

    def path(self) -> str:
        """An address that the pattern answers to, of an object that is there if any of its kind is."""
        parts = []
        for part in self.route.replace("^", "").replace("$", "").split("/"):
            if part.startswith("(?P<"):
                parts.append(SAMPLES[part[4:].partition(">")[0]])
            elif part.startswith("<"):
                parts.append(self._sample(part.strip("<>").rpartition(":")[2]))
            else:
                parts.append(part)
        return "/" + "/".join(parts)

    def is_of_nothing(self) -> bool:
        return self.model is not None and not self.model._default_manager.exists()

    def _sample(self, argument: str) -> str:
        if argument in ("object_id", "id") and self.model is not None:
            first = self.model._default_manager.order_by("pk").first()
            return "1" if first is None else str(first.pk)
        return SAMPLES.get(argument, "1")


def places() -> list[Place]:
    return [_place(name, route) for name, route in _walk(get_resolver().url_patterns)]


def undeclared() -> list[str]:
    """Addresses about which nobody has said who may open them."""
    return sorted(f"{place.name} {place.route}" for place in places() if place.needs is NOBODY_SAID)


NOBODY_SAID = Needs(look=(), send=None, is_known=False)


def _walk(patterns: Any, prefix: str = "", spaces: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = (*spaces, pattern.namespace) if pattern.namespace else spaces
            yield from _walk(pattern.url_patterns, prefix + str(pattern.pattern), inner)
        elif isinstance(pattern, URLPattern):
            yield ":".join((*spaces, pattern.name or "")), prefix + str(pattern.pattern)


def _place(name: str, route: str) -> Place:
    if not name.startswith("admin:"):
        return Place(name, route, table().get(name or route, NOBODY_SAID))
    own = name.removeprefix("admin:")
    if own in SITE_PAGES:
        return Place(name, route, SEE, _model_of_route(route))
    if own in SHADOWED:
        return Place(name, route, table()[f"admin/{own}/"])
    needs, model = _admin_pages().get(own, (NOBODY_SAID, None))
    return Place(name, route, needs, model)


@cache
def _admin_pages() -> dict[str, tuple[Needs, type[Model]]]:
    found = {}
    for model, model_admin in admin.site._registry.items():
        app, name = model._meta.app_label, model._meta.model_name
        view = f"{app}.view_{name}|{app}.change_{name}"
        is_fact = isinstance(model_admin, ReadOnlyAdmin)
        change = NOBODY if is_fact else (f"{app}.change_{name}",)
        add = NOBODY if is_fact else (f"{app}.add_{name}", f"{app}.change_{name}")
        pages = {
            "changelist": Needs((view,), (view,)),
            "history": Needs((view,), (view,)),
            "change": Needs((view,), change),
            "add": Needs(add, add),
            "delete": Needs(NOBODY, NOBODY),
        }
        for prefix in ("object_tasks", "list_tasks", "selection_tasks"):
            for task in getattr(model_admin, prefix, ()):
                both = (view, task.permission)
                pages[f"selected_{task.name}" if prefix == "selection_tasks" else task.name] = Needs(both, both)
        found |= {f"{app}_{name}_{page}": (needs, model) for page, needs in pages.items()}
    # Asked without saying for which field, it is refused to everybody.
    found["autocomplete"] = (Needs(NOBODY, NOBODY), None)
    found["auth_user_password_change"] = (Needs(NOBODY, NOBODY), found["auth_user_change"][1])
    return found


def _model_of_route(route: str) -> type[Model] | None:
    parts = route.split("/")
    matching = [m for m in admin.site._registry if [m._meta.app_label, m._meta.model_name] == parts[1:3]]
    return matching[0] if matching else None


__all__ = ["EVERYBODY", "NOBODY", "NOBODY_SAID", "OWN", "PUBLIC", "Place", "places", "undeclared"]
