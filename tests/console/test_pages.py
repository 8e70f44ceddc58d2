from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from apps.analytics.models import MetricExport
from apps.governance.models import ApprovalRequest
from apps.governance.services import system_event_record
from apps.trading.models import Reconciliation
from tests import factories as make

pytestmark = pytest.mark.django_db
NOW = make.NOW
DECIDES = ("governance.propose_change", "governance.approve_change", "governance.approve_risk_raise")


def page(client: Client, name: str, *args: object, **query: str) -> str:
    response = client.get(reverse(f"console:{name}", args=args), query)
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize(("name", "bad"), [("min_spread", "9"), ("min_spread", "NaN"), ("order_quantity", "0.001")])
def test_a_bad_parameter_is_marked_at_its_field(client: Client, name: str, bad: str) -> None:
    make.user("cliff", perms=DECIDES)
    client.force_login(make.user("craig", perms=DECIDES))
    config = make.config()
    values = {**make.parameters(config).values, name: bad, "reason": "trying something new"}
    response = client.post(reverse("console:parameters-propose", args=[config.pk]), values)
    assert response.status_code == 422
    assert response.context["form"].errors.keys() == {name}
    assert not ApprovalRequest.objects.exists()


# Lists


def test_the_blotter_narrows_by_its_address(viewer: Client) -> None:
    run = make.session()
    make.order(run, client_order_id="resting-1")
    make.order(run, client_order_id="rejected-1", status="rejected", outcome="post_only_would_cross", side="ask")
    assert "resting-1" in page(viewer, "orders", status="accepted")
    assert "rejected-1" not in page(viewer, "orders", status="accepted")
    assert "resting-1" not in page(viewer, "orders", side="ask")
    assert "rejected-1" not in page(viewer, "orders", open="on")
    assert "No orders." in page(viewer, "orders", market="KXNONE")
    assert "Post only would cross" in page(viewer, "orders")


def test_older_orders_are_a_page_away(viewer: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    run = make.session()
    for _ in range(101):
        make.order(run)
    with django_assert_num_queries(9):
        html = page(viewer, "orders")
    assert 'rel="next"' in html
    oldest = run.orders.order_by("pk")[1]
    assert "1 shown" in page(viewer, "orders", before=str(oldest.pk))


def test_an_order_tells_its_life_from_the_decision_on(viewer: Client) -> None:
    run = make.session()
    order = make.order(run, decision=make.decision(run, ask_reason="position_at_maximum"))
    make.order_event(order, kind="submit", source="own", status="submitted")
    make.order_event(order, at=NOW + timedelta(milliseconds=80), detail={"remaining": "10.00"})
    make.fill(order, fee=Decimal("0.017500"))
    html = page(viewer, "order", order.client_order_id)
    for shown in ("0.5600 / 0.6000", "Position at its maximum", "12:00:00.080", "Reply to our request", "$0.0175"):
        assert shown in html, shown


def test_a_fee_that_differs_from_the_prediction_is_marked(viewer: Client) -> None:
    make.fill(fee=Decimal("0.02"), predicted_fee=Decimal("0.03"))
    assert '<span class="lamp warn">$0.0300</span>' in page(viewer, "fills")


def test_cash_shows_the_walk_and_the_drift(viewer: Client) -> None:
    account = make.account()
    make.cash_entry(kind="trade", amount=Decimal("-5.70"), balance=Decimal("9994.30"))
    Reconciliation.objects.create(
        account=account,
        at=NOW,
        trigger="timer",
        own_cash=Decimal("9994.30"),
        venue_cash=Decimal("9994.299999"),
        cash_drift=Decimal("-0.000001"),
        orders_open=0,
        orders_unknown=0,
        is_clean=False,
    )
    html = page(viewer, "positions")
    assert "\N{MINUS SIGN}$0.000001" in html
    assert "\N{MINUS SIGN}$5.70" in html


def test_feeds_show_their_age_and_events_narrow_by_severity(viewer: Client) -> None:
    make.feed(last_frame_at=NOW - timedelta(seconds=40), stale_after_s=15)
    assert "stale since 11:59:20Z, 40 s" in page(viewer, "feeds")
    for code, severity in (("QUIET", "info"), ("LOUD", "critical")):
        system_event_record(code=code, severity=severity, source="test", message="m", now=NOW)
    html = page(viewer, "events", severity="critical")
    assert "LOUD" in html
    assert "QUIET" not in html


def test_the_export_button_sends_the_recorded_file(viewer: Client) -> None:
    account = make.account()
    response = viewer.post(reverse("console:exports"), {"account": account.pk, "days": "30"})
    assert response.headers["Content-Disposition"] == 'attachment; filename="liquidity-main-20261120T120000Z.csv"'
    assert response.content.startswith(b"schema_version,account")
    record = MetricExport.objects.get()
    assert record.window_start == NOW - timedelta(days=30)
    assert record.sha256 in page(viewer, "exports")


def test_a_bad_window_is_asked_again(viewer: Client) -> None:
    response = viewer.post(reverse("console:exports"), {"account": make.account().pk, "days": "0"})
    assert response.status_code == 422
    assert not MetricExport.objects.exists()


@pytest.mark.parametrize(
    "query", ["before=x", "before=-1", "before=99999999999999999999", "status=nonsense", "side=up"]
)
def test_nonsense_in_the_address_does_no_harm(viewer: Client, query: str) -> None:
    make.order()
    assert viewer.get(f"{reverse('console:orders')}?{query}").status_code == 200


def test_an_unknown_market_or_order_is_not_found(viewer: Client) -> None:
    assert viewer.get(reverse("console:market", args=["KXNONE"])).status_code == 404
    assert viewer.get(reverse("console:order", args=["nothing"])).status_code == 404
