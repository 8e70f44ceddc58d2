from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps.marketdata.models import Market, PublicTrade, Recording
from tests import factories

pytestmark = pytest.mark.django_db
MODELS = ["series", "event", "market", "booksnapshot", "publictrade", "feed", "recording"]


def make_rows(start: int, count: int) -> None:
    now = timezone.now()
    for n in range(start, start + count):
        series = factories.series(f"KX{n}")
        event = factories.event(f"KX{n}-E", series=series)
        market = factories.market(
            f"KX{n}-E-T1", event=event, open_at=now - timedelta(days=1), close_at=now + timedelta(days=1)
        )
        factories.book_snapshot(market)
        PublicTrade.objects.create(
            trade_id=f"t{n}",
            market=market,
            price="0.5",
            quantity="1",
            taker_side="bid",
            traded_at=now,
            received_at=now,
        )
        factories.feed(f"feed{n}", last_frame_at=now)
        Recording.objects.create(path=f"{n}.jsonl.gz", source="ws://x", started_at=now)


@pytest.fixture
def viewer(client: Client) -> Client:
    perms = tuple(f"marketdata.view_{model}" for model in MODELS)
    client.force_login(factories.user("dave", perms=perms))
    return client


def queries(viewer: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as context:
        assert viewer.get(url).status_code == 200
    return len(context)


@pytest.mark.parametrize("model", MODELS)
def test_list_takes_the_same_queries_however_long_it_is(viewer: Client, model: str) -> None:
    url = reverse(f"admin:marketdata_{model}_changelist")
    make_rows(0, 2)
    few = queries(viewer, url)
    make_rows(2, 10)
    assert queries(viewer, url) == few
    assert few <= 12


@pytest.mark.parametrize("model", MODELS)
def test_everything_can_be_looked_at_and_nothing_changed(viewer: Client, model: str) -> None:
    make_rows(0, 1)
    base = f"admin:marketdata_{model}"
    pk = apps.get_model("marketdata", model).objects.get().pk
    assert viewer.get(reverse(f"{base}_change", args=[pk])).status_code == 200
    assert viewer.post(reverse(f"{base}_change", args=[pk]), {"ticker": "X"}).status_code == 403
    assert viewer.get(reverse(f"{base}_add")).status_code == 403
    assert viewer.post(reverse(f"{base}_delete", args=[pk]), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("model", MODELS)
def test_without_the_right_nothing_is_shown(client: Client, model: str) -> None:
    url = reverse(f"admin:marketdata_{model}_changelist")
    assert client.get(url).status_code == 302
    client.force_login(factories.user("eve"))
    assert client.get(url).status_code == 403


def shown(viewer: Client, model: str, **query: str) -> list[str]:
    response = viewer.get(reverse(f"admin:marketdata_{model}_changelist"), query)
    assert response.status_code == 200
    return sorted(str(row) for row in response.context["cl"].result_list)


def test_feeds_can_be_narrowed_to_the_stale_ones(viewer: Client) -> None:
    now = timezone.now()
    factories.feed("fresh", last_frame_at=now)
    factories.feed("old", last_frame_at=now - timedelta(minutes=1))
    factories.feed("never", last_frame_at=None)
    assert shown(viewer, "feed") == ["fresh", "never", "old"]
    assert shown(viewer, "feed", stale="yes") == ["never", "old"]
    assert shown(viewer, "feed", stale="no") == ["fresh"]
    assert shown(viewer, "feed", state__exact="down") == []


def test_markets_can_be_narrowed_to_those_open_now(viewer: Client) -> None:
    now = timezone.now()
    times = {"open_at": now - timedelta(days=1), "close_at": now + timedelta(days=1)}
    factories.market("KXOPEN", **times)
    factories.market("KXHALTED", **(times | {"status": "inactive"}))
    factories.market("KXPAST", **(times | {"close_at": now - timedelta(hours=1)}))
    assert shown(viewer, "market", open="yes") == ["KXOPEN"]
    assert shown(viewer, "market", open="no") == ["KXHALTED", "KXPAST"]
    assert shown(viewer, "market", status="inactive") == ["KXHALTED"]


def test_events_and_recordings_answer_their_questions(viewer: Client) -> None:
    factories.event("KXPLAIN")
    factories.event("KXOWN", fee_multiplier_override="0.5")
    assert shown(viewer, "event", own_fees="yes") == ["KXOWN"]
    assert shown(viewer, "event", own_fees="no") == ["KXPLAIN"]
    Recording.objects.create(path="open.gz", source="x", started_at=factories.NOW)
    Recording.objects.create(path="done.gz", source="x", started_at=factories.NOW, sha256="a" * 64)
    assert shown(viewer, "recording", complete="yes") == ["done.gz"]
    assert shown(viewer, "recording", complete="no") == ["open.gz"]


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda market: None, ["99 prices from 0.0100 to 0.9900", "quadratic, multiplier 1.000000"]),
        (lambda market: setattr(market, "price_ranges", []), ["Cannot be quoted"]),
        (lambda market: setattr(market.event.series, "fee_type", "new_fee"), ["Cannot be traded"]),
    ],
)
def test_market_page_says_whether_it_can_be_quoted_and_traded(
    viewer: Client, break_it: Callable[[Market], None], words: list[str]
) -> None:
    market = factories.market()
    break_it(market)
    market.event.series.save()
    market.save()
    page = viewer.get(reverse("admin:marketdata_market_change", args=[market.pk])).content.decode()
    assert all(word in page for word in words)


def test_long_lists_are_searched_by_whole_tickers(viewer: Client) -> None:
    make_rows(0, 3)
    assert len(shown(viewer, "booksnapshot", q="KX1-E-T1")) == 1
    assert shown(viewer, "publictrade", q="KX1") == []
    assert len(shown(viewer, "publictrade", q="t2")) == 1
