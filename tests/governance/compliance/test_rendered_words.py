"""Every page as it is sent, with data in it, and every export: none speaks of anything but trading (G29)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.test import Client

from apps.analytics.services import liquidity_export
from apps.core.wording import banned_in
from apps.governance.services import system_event_record
from apps.governance.services.compliance_seeding import compliance_seed
from apps.governance.services.wording import wording_scan
from apps.risk.models import KillRun
from tests import factories as make
from tests.access.ground import make_ground
from tests.access.places import places
from tests.factories import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.pages]
WORD = "o" + "dds"


@pytest.fixture(autouse=True)
def _at_a_fixed_time() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def reader() -> Client:
    """Somebody who may open every page there is."""
    user = make.user("craig", first_name="Craig")
    user.user_permissions.set(Permission.objects.all())
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


@pytest.fixture(autouse=True)
def _ground() -> None:
    make_ground()
    compliance_seed(now=NOW)


def pages(reader: Client, prefix: str) -> dict[str, str]:
    """Address to HTML of every page that opens."""
    found = {}
    for place in places():
        if place.name.startswith(prefix) and not place.is_of_nothing():
            response = reader.get(place.path())
            if response.status_code == 200 and "text/html" in response.headers.get("Content-Type", ""):
                found[place.path()] = _shown(response.content.decode())
    return found


def _shown(html: str) -> str:
    """Without tokens, whose random letters may spell anything."""
    return re.sub(r"[A-Za-z0-9]{32,}", "", html)


def test_every_page_of_the_console(reader: Client) -> None:
    html = pages(reader, "console:")
    assert len(html) > 25
    assert {url: [one.word for one in banned_in(text)] for url, text in html.items() if banned_in(text)} == {}


def test_every_page_of_the_admin(reader: Client) -> None:
    html = pages(reader, "admin:")
    assert len(html) > 60
    assert {url: [one.word for one in banned_in(text)] for url, text in html.items() if banned_in(text)} == {}


def test_text_that_is_not_ours_is_covered_on_every_page_of_the_console(reader: Client) -> None:
    """A title and an answer of the exchange, and the reason of a stop, which is never refused for its words."""
    market = make.market()
    type(market).objects.update(title=f"Will the {WORD} move?")
    order = make.order(market=market, status="rejected", outcome=f"HTTP 400: bad_{WORD}: the {WORD} are bad")
    KillRun.objects.update(reason=f"the {WORD} were wrong")
    system_event_record(code="DESYNC", severity="critical", source="test", message=f"the {WORD} differ", now=NOW)
    wording_scan(now=NOW)
    html = pages(reader, "console:")
    html["order"] = _shown(reader.get(f"/orders/{order.client_order_id}/").content.decode())
    assert {url: [one.word for one in banned_in(text)] for url, text in html.items() if banned_in(text)} == {}
    assert "o•••" in html["/compliance/"]
    assert "o•••" in html[f"/markets/{market.ticker}/"]


def test_the_export_of_figures() -> None:
    _, content = liquidity_export(
        account=make.account(), window_start=NOW.replace(day=1), window_end=NOW, actor=None, now=NOW
    )
    assert banned_in(content.decode()) == []
