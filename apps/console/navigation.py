"""Where a page stands: four areas of work, and the pages of the one that is open."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A page of the menu. Addresses belong to it by name: its own, those in `covers`, and their "-…" children."""

    title: str
    url_name: str
    covers: tuple[str, ...] = ()

    def holds(self, url_name: str) -> bool:
        return any(url_name == name or url_name.startswith(f"{name}-") for name in (self.url_name, *self.covers))


@dataclass(frozen=True, slots=True)
class Area:
    title: str
    places: tuple[Place, ...]

    @property
    def url_name(self) -> str:
        return self.places[0].url_name

    def holds(self, url_name: str) -> bool:
        return any(place.holds(url_name) for place in self.places)


AREAS = (
    Area(
        "Run",
        (
            Place("Mission", "mission", ("market", "kill", "resume")),
            Place("Orders", "orders", ("order",)),
            Place("By hand", "manual"),
            Place("Fills", "fills"),
            Place("Positions & cash", "positions"),
            Place("Feeds", "feeds"),
        ),
    ),
    Area("Limits", (Place("Risk", "risk"), Place("Switches", "switches"))),
    Area(
        "Review",
        (
            Place("Approvals", "approvals", ("approval", "signoff-rules")),
            Place("Reviews", "reviews"),
            Place("Proposals", "proposals", ("proposal",)),
            Place("Strategies", "strategies", ("strategy",)),
            Place("Parameters", "parameters"),
        ),
    ),
    Area(
        "Record",
        (
            Place("Incidents", "incidents", ("incident",)),
            Place("Lessons", "lessons"),
            Place("Events", "events"),
            Place("Audit", "audit"),
            Place("Compliance", "compliance"),
            Place("Exports", "exports"),
        ),
    ),
)


def area_of(url_name: str) -> Area:
    """The area an address belongs to; what belongs to none shows the first."""
    return next((area for area in AREAS if area.holds(url_name)), AREAS[0])
