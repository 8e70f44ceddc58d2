"""Orders by hand: who may ask, what is asked again, and what became of it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.trading.models import Order, OrderRequest
from tests import factories as make

pytestmark = pytest.mark.django_db
TICKER = "KXTEST-26NOV20-T50"


@pytest.fixture
def trader(client: Client) -> Client:
    make.account()
    make.market()
    client.force_login(make.user("scalper", perms=("trading.place_order",)))
    return client


def wish(**fields: str) -> dict[str, str]:
    return {
        "market": TICKER.lower(),
        "side": "bid",
        "price": "0.55",
        "quantity": "5",
        "time_in_force": "good_till_canceled",
        "reason": "closing the gap before noon",
        "no_inside_information": "on",
    } | fields


def ask(client: Client, **fields: str) -> Any:
    return client.post(reverse("console:manual"), wish(**fields))


def by_hand(client: Client, **query: str) -> str:
    response = client.get(reverse("console:manual"), query)
    assert response.status_code == 200
    return response.content.decode()


def test_a_request_is_stored_for_the_session_and_no_order_is_made_here(trader: Client) -> None:
    assert ask(trader, post_only="on").headers["Location"] == reverse("console:manual")
    row = OrderRequest.objects.get()
    assert (row.market.ticker, row.side, str(row.price), str(row.quantity)) == (TICKER, "bid", "0.5500", "5.00")
    assert (row.post_only, row.reduce_only, row.requested_by.get_username()) == (True, False, "scalper")
    assert not Order.objects.exists()
    assert "Waiting for the session" in by_hand(trader)


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("market", "KXNONE"),
        ("side", "up"),
        ("price", "0.555"),
        ("price", "NaN"),
        ("price", "1.5"),
        ("quantity", "0"),
        ("quantity", "0.001"),
        ("time_in_force", "forever"),
        ("reason", ""),
        ("no_inside_information", ""),
    ],
)
def test_a_bad_value_is_marked_at_its_field_and_nothing_is_stored(trader: Client, field: str, bad: str) -> None:
    response = ask(trader, **{field: bad})
    assert response.status_code == 422
    assert field in response.context["form"].errors
    assert not OrderRequest.objects.exists()


def test_post_only_that_takes_is_refused_where_it_was_asked(trader: Client) -> None:
    response = ask(trader, post_only="on", time_in_force="fill_or_kill")
    assert list(response.context["form"].errors) == ["post_only"]


def test_without_the_right_there_is_no_form_and_a_post_is_refused(viewer: Client) -> None:
    make.account()
    make.market()
    html = by_hand(viewer)
    assert 'name="price"' not in html
    assert "needs the right" in html
    assert ask(viewer).status_code == 403
    assert not OrderRequest.objects.exists()


def test_a_waiting_request_is_taken_back(trader: Client) -> None:
    ask(trader)
    row = OrderRequest.objects.get()
    url = reverse("console:manual-cancel", args=[row.pk])
    assert f'action="{url}"' in by_hand(trader)
    trader.post(url)
    assert "canceled before it was sent" in by_hand(trader)
    assert f'action="{url}"' not in by_hand(trader)


def test_one_that_has_ended_cannot_be_canceled_and_says_why(trader: Client) -> None:
    ask(trader)
    row = OrderRequest.objects.get()
    OrderRequest.objects.update(
        state="denied", outcome="account main: max_order_dollars would be $600.000000, limit $500.000000"
    )
    assert "account main: dollars per order would be $600.00, limit $500.00" in by_hand(trader)
    response = trader.post(reverse("console:manual-cancel", args=[row.pk]))
    assert response.status_code == 422
    assert "has ended" in response.content.decode()


def test_only_who_may_place_may_cancel(trader: Client, viewer: Client) -> None:
    OrderRequest.objects.create(
        account=make.account(), market=make.market(), side="bid", price="0.5", quantity="1", reason="x",
        time_in_force="x", no_inside_information=True, requested_by=make.user("bob"), requested_at=make.NOW,
    )  # fmt: skip
    url = reverse("console:manual-cancel", args=[OrderRequest.objects.get().pk])
    assert viewer.post(url).status_code == 403
    assert f'action="{url}"' not in by_hand(viewer)


def test_a_request_that_is_not_there_is_not_found(trader: Client) -> None:
    assert trader.post(reverse("console:manual-cancel", args=[99])).status_code == 404


def test_the_market_may_be_named_in_the_address(trader: Client) -> None:
    assert f'value="{TICKER}"' in by_hand(trader, market=TICKER)
