"""The blotter and one order: lease, queue place, mode, amends, and a denial in its numbers."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from apps.trading.models import OrderRequest
from tests import factories as make

from . import payload

pytestmark = pytest.mark.django_db
NOW = make.NOW


def order_page(client: Client, client_order_id: str) -> str:
    response = client.get(reverse("console:order", args=[client_order_id]))
    assert response.status_code == 200
    return response.content.decode()


def blotter(client: Client) -> str:
    return client.get(reverse("console:orders")).content.decode()


def resting(**fields: Any) -> Any:
    values: dict[str, Any] = {
        "client_order_id": "own-1",
        "expires_at": NOW + timedelta(seconds=30),
        "mode": "maker",
        "order_group": "og-1",
    }
    return make.order(**(values | fields))


def test_the_blotter_shows_lease_mode_and_queue(viewer: Client) -> None:
    resting(queue_ahead=Decimal("77.5"), mode="manual")
    html = blotter(viewer)
    for shown in (">30 s</time>", "by hand", "77.50"):
        assert shown in html, shown


def test_what_the_session_knows_of_an_open_order_wins_while_it_is_fresh(viewer: Client, topics: dict[str, Any]) -> None:
    resting(queue_ahead=None)
    topics["mission"] = payload.mission()
    html = blotter(viewer)
    assert "120.00" in html
    assert ">41 s</time>" in html
    with time_machine.travel(NOW + timedelta(seconds=6), tick=False):
        html = blotter(viewer)
    assert "120.00" not in html
    assert ">24 s</time>" in html


def test_an_ended_order_has_no_lease_left(viewer: Client, topics: dict[str, Any]) -> None:
    resting(status="canceled", remaining=0)
    topics["mission"] = payload.mission()
    assert 'class="left"' not in blotter(viewer)
    assert "120.00" not in blotter(viewer)


def test_a_lease_that_ran_out_says_so(viewer: Client) -> None:
    resting(expires_at=NOW - timedelta(seconds=3))
    assert "over for 3 s" in blotter(viewer)


def test_an_order_shows_group_lease_mode_amends_and_where_each_event_is_known_from(viewer: Client) -> None:
    order = resting(queue_ahead=Decimal(12))
    make.order_event(order, kind="submit", source="own", status="submitted")
    make.order_event(order)
    make.order_event(
        order, kind="request_amend", source="own", detail={"expires_at_s": 1795176055, "outcome": "renewed"}
    )
    make.order_event(order, kind="amend", source="ack")
    make.order_event(order, kind="amend", source="private_feed")
    html = order_page(viewer, "own-1")
    places = ("Our own act", "Reply to our request", "Private feed")
    for shown in (*places, "og-1", "30 s</time>", "12.00", "2 times", "lease until", "2026-11-20 12:00:55 UTC"):
        assert shown in html, shown
    assert "Denied by us</h2>" not in html


def denied(outcome: str, **detail: str) -> None:
    order = make.order(client_order_id="no-1", status="denied", remaining=0, outcome=outcome)
    make.order_event(order, kind="deny", source="own", status="denied", detail=detail)


def facts(html: str) -> list[str]:
    part = html.split("Denied by us</h2>")[1].split("</section>")[0]
    return [cell.split("</dd>")[0] for cell in part.split("<dd>")[1:]]


def test_a_denial_names_rule_node_observed_and_limit(viewer: Client) -> None:
    denied(
        "theme crypto: max_nav_share would be 15.2000 %, limit 15.0000 %",
        rule="max_nav_share", observed="0.152000", limit="0.150000",
    )  # fmt: skip
    html = order_page(viewer, "no-1")
    assert facts(html) == ["Dollars at risk as a share of net asset value", "theme crypto", "15.2000 %", "15.0000 %"]
    assert "Theme crypto: dollars at risk as a share of net asset value would be" in html


def test_dollars_of_a_denial_read_in_cents(viewer: Client) -> None:
    denied("account main: max_total_exposure would be $2003.100000, limit $2000.000000", rule="max_total_exposure")
    assert facts(order_page(viewer, "no-1"))[2:] == ["$2,003.10", "$2,000.00"]


def test_a_denial_without_numbers_shows_what_it_has(viewer: Client) -> None:
    denied("trading is halted", rule="trading_state")
    assert facts(order_page(viewer, "no-1")) == ["Trading is not active", "—", "—", "—"]


def test_an_order_by_hand_says_who_asked_for_it_and_why(viewer: Client) -> None:
    order = resting(mode="manual")
    order.config = order.parameters = None
    order.save()
    OrderRequest.objects.create(
        account=order.account, market=order.market, side="bid", price="0.57", quantity="10", reason="closing the gap",
        time_in_force="good_till_canceled", no_inside_information=True, requested_by=make.user("scalper"),
        requested_at=NOW, order=order,
    )  # fmt: skip
    html = order_page(viewer, "own-1")
    assert "scalper asked for it" in html
    assert "closing the gap" in html
    assert "none: by hand or by plan" in html
    assert "Placed by a person" in html
