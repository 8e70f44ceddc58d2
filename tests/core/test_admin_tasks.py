"""Steps over several rows: each once, each for itself, with counts of what was done and what was refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from apps.governance.models import AuditEvent
from apps.trading.models import OrderRequest
from apps.trading.services.manual_orders import order_request_cancel
from tests import factories
from tests.factories import NOW
from tests.people import assert_turned_away

pytestmark = pytest.mark.django_db
ClientOf = Callable[[str], Client]
LISTING = "admin:trading_orderrequest_changelist"
SELECTED = "admin:trading_orderrequest_selected_cancel"
WHY = "the market has gone quiet"


@pytest.fixture
def asked(team: dict[str, User]) -> list[OrderRequest]:
    """Two that wait, one that is sent, one that has ended."""
    account, market = factories.account(), factories.market()
    return [
        OrderRequest.objects.create(
            account=account,
            market=market,
            side="bid",
            price="0.5",
            quantity=10,
            time_in_force="good_till_canceled",
            reason="by hand",
            no_inside_information=True,
            requested_by=team["scalper"],
            requested_at=NOW,
            state=state,
        )
        for state in ("pending", "pending", "sent", "done")
    ]


def choose(client: Client, rows: list[OrderRequest]) -> Any:
    data = {"action": "cancel", "_selected_action": [row.pk for row in rows]}
    return client.post(reverse(LISTING), data, follow=True)


def test_choosing_rows_leads_to_a_page_that_says_what_will_happen_to_which(
    client_of: ClientOf, asked: list[OrderRequest]
) -> None:
    response = choose(client_of("scalper"), asked)
    assert [row.pk for row in response.context["passed_over"]] == [asked[3].pk]
    assert {row.pk for row in response.context["ready"]} == {row.pk for row in asked[:3]}
    assert "One person is enough" in response.content.decode()
    assert set(OrderRequest.objects.values_list("cancel_requested_at", flat=True)) == {None}


def test_each_is_done_once_with_one_reason_and_the_list_says_how_many(
    client_of: ClientOf, asked: list[OrderRequest], team: dict[str, User]
) -> None:
    response = client_of("scalper").post(
        reverse(SELECTED), {"pk": [row.pk for row in asked], "reason": WHY}, follow=True
    )
    assert "Cancel order: done for 3 of 3." in response.content.decode()
    assert list(OrderRequest.objects.order_by("pk").values_list("state", flat=True)) == ["done", "done", "sent", "done"]
    written = AuditEvent.objects.filter(action="trading.manual_order.cancel")
    assert sorted(written.values_list("object_id", "reason")) == [(str(row.pk), WHY) for row in asked[:3]]
    assert {row.actor for row in written} == {team["scalper"]}


def test_what_a_service_refuses_is_counted_and_named_and_the_others_are_done(
    client_of: ClientOf, asked: list[OrderRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = asked[1]

    def ends_just_before(*, request_id: int, **rest: Any) -> OrderRequest:
        OrderRequest.objects.filter(pk=ended.pk).update(state="done", outcome="filled")
        return order_request_cancel(request_id=request_id, **rest)

    monkeypatch.setattr("apps.trading.admin.requests.order_request_cancel", ends_just_before)
    data = {"pk": [row.pk for row in asked[:3]], "reason": WHY}
    text = client_of("scalper").post(reverse(SELECTED), data, follow=True).content.decode()
    assert "Cancel order: done for 2 of 3." in text
    assert "Cancel order: refused for 1." in text
    assert f"Order request {ended.pk} has ended: filled" in text


def test_no_reason_no_act(client_of: ClientOf, asked: list[OrderRequest]) -> None:
    response = client_of("scalper").post(reverse(SELECTED), {"pk": [asked[0].pk], "reason": ""})
    assert response.status_code == 422
    assert not OrderRequest.objects.exclude(cancel_requested_at=None).exists()


@pytest.mark.parametrize("keys", [[], ["x"], ["99999"]])
def test_nothing_chosen_nothing_done(client_of: ClientOf, asked: list[OrderRequest], keys: list[str]) -> None:
    response = client_of("scalper").post(reverse(SELECTED), {"pk": keys, "reason": WHY}, follow=True)
    assert "none of the 0 chosen" in response.content.decode()
    assert not OrderRequest.objects.exclude(cancel_requested_at=None).exists()


def test_the_step_is_neither_offered_nor_open_to_who_lacks_the_right(
    client_of: ClientOf, asked: list[OrderRequest]
) -> None:
    assert b'value="cancel"' not in client_of("viewer").get(reverse(LISTING)).content
    assert_turned_away(client_of, reverse(SELECTED), {"pk": str(asked[0].pk), "reason": WHY}, "viewer")
    choose(client_of("viewer"), asked)
    assert not OrderRequest.objects.exclude(cancel_requested_at=None).exists()
