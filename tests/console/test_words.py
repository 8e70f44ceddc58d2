"""How amounts, tickers and answers of the exchange are put on the screen."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.conf import settings
from django.test import Client

from apps.console.templatetags import console
from tests import factories as make

MINUS = "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("9990.500000", "$9,990.50"),
        ("0", "$0.00"),
        ("9991.283600", '<span class="rounded" title="$9,991.283600">$9,991.28</span>'),
        ("-8.716400", f'<span class="rounded" title="{MINUS}$8.716400">{MINUS}$8.72</span>'),
        ("0.000040", '<span class="rounded" title="$0.000040">&lt;$0.01</span>'),
    ],
)
def test_money_is_in_cents_and_its_title_is_exact(value: str, shown: str) -> None:
    assert console.money(Decimal(value)) == shown


def test_a_missing_amount_is_never_a_number() -> None:
    assert {f(None) for f in (console.money, console.signed_money, console.exact_money, console.fee)} == {"—"}


def test_a_drift_is_never_rounded() -> None:
    assert console.exact_money(Decimal("-0.000001")) == f"{MINUS}$0.000001"


@pytest.mark.parametrize(("value", "shown"), [("0", "$0.0000"), ("0.0175", "$0.0175"), ("0.000040", "$0.000040")])
def test_fees_line_up_and_stay_exact(value: str, shown: str) -> None:
    assert console.fee(Decimal(value)) == shown


@pytest.mark.parametrize(
    ("ticker", "shown"),
    [
        ("KXBTC15M-26NOV200845-45", "KXBTC15M…200845-45"),
        ("KXBTC15M-26NOV200352-P2-52", "KXBTC15M…200352-P2-52"),
        ("KXHIGHNY-26NOV20-T55", "KXHIGHNY-26NOV20-T55"),
        ("AVERYLONGTICKERWITHOUTPARTS", "AVERYLONGTICKERWITHOUTPARTS"),
    ],
)
def test_a_long_ticker_keeps_its_series_and_its_end(ticker: str, shown: str) -> None:
    assert console.short_ticker(ticker) == shown


@pytest.mark.parametrize(
    ("title", "shown"),
    [("Recorded KXA-1", "Recorded"), ("Will KXA-1 close higher?", "Will close higher?"), ("KXA-1", "")],
)
def test_a_title_beside_its_ticker_does_not_repeat_it(title: str, shown: str) -> None:
    assert console.beside(title, "KXA-1") == shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("HTTP 400: invalid_order: invalid order: post only cross", "Post only cross"),
        ("HTTP 409: market_closed: market closed", "Market closed"),
        ("spread_below_minimum", "Spread under the minimum"),
        ("HTTP 400: no", "HTTP 400: no"),
    ],
)
def test_an_answer_of_the_exchange_is_told_by_its_last_clause(said: str, shown: str) -> None:
    assert console.outcome_words(said) == shown


@pytest.mark.django_db
def test_the_whole_answer_stays_in_the_title(viewer: Client) -> None:
    make.order(status="rejected", outcome="HTTP 409: market_closed: market closed")
    html = viewer.get("/orders/").content.decode()
    assert 'title="HTTP 409: market_closed: market closed">Market closed<' in html


@pytest.mark.django_db
def test_an_event_tells_the_time_of_the_exchange_and_the_reason_in_words(viewer: Client) -> None:
    order = make.order()
    make.order_event(order, detail={"venue_ts_ms": 1795165373267, "outcome": "spread_below_minimum"})
    html = viewer.get(f"/orders/{order.client_order_id}/").content.decode()
    assert "2026-11-20 09:02:53.267 UTC" in html
    assert "Spread under the minimum" in html


@pytest.mark.django_db
def test_browsers_find_an_icon_without_signing_in(client: Client) -> None:
    response = client.get("/favicon.ico")
    assert response.status_code == 302
    assert response.headers["Location"].startswith(f"{settings.STATIC_URL}console/icon")
