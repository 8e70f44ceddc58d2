"""Every page of the console stands in the menu once, and the menu says where one is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from apps.console import urls
from apps.console.navigation import AREAS, Place

# Doors, one's own account, and what is reached from everywhere.
OUTSIDE = {"sign-in", "sign-out", "step-up", "security", "comment"}


def test_every_address_belongs_to_one_place_or_stands_outside() -> None:
    for name in (pattern.name for pattern in urls.urlpatterns if pattern.name):
        holders = [place.title for area in AREAS for place in area.places if place.holds(name)]
        is_outside = any(name == door or name.startswith(f"{door}-") for door in OUTSIDE)
        assert len(holders) == (0 if is_outside else 1), (name, holders)


@pytest.mark.parametrize("place", [place for area in AREAS for place in area.places], ids=lambda place: place.url_name)
def test_a_place_says_that_one_is_there(place: Place, client_of: Callable[[str], Client]) -> None:
    page = client_of("craig").get(reverse(f"console:{place.url_name}")).content.decode()
    assert page.split('aria-label="Areas"')[1].split("</nav>")[0].count('aria-current="true"') == 1
    assert page.split('class="places"')[1].split("</nav>")[0].count('aria-current="page"') == 1
