from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from apps.console import words
from apps.console.live_state import UnreadableState, from_payload
from apps.console.mission import mission_build
from apps.engine.strategies.base import QuoteReason, SkipReason
from apps.governance.services import system_event_record
from apps.risk.services import kill_switch_trip
from tests import factories as make

from . import payload

pytestmark = pytest.mark.django_db
NOW = make.NOW


def build(**asked: Any) -> Any:
    values: dict[str, Any] = {"selected": "", "query": "", "now": NOW} | asked
    return mission_build(**values)


def test_the_page_shows_what_the_session_publishes(viewer: Client, topics: dict[str, Any]) -> None:
    topics |= {"mission": payload.mission(), f"book.{payload.TICKER}": payload.book()}
    html = viewer.get("/").content.decode()
    for shown in (
        "SIMULATED",
        "$9,990.50",
        "+$0.000001",
        "\N{MINUS SIGN}$1.75",
        "\N{MINUS SIGN}12.00",
        "4.00¢",
        "0.5700",
        "$0.0175",
        "Quoting one tick inside",
        "bid: keeping what rests · ask: position at its maximum",
        "Spread under the minimum",
        "Partially filled",
        "5.00 ▸",
    ):
        assert shown in html, shown
    assert "Stored numbers" not in html


def test_without_a_live_state_it_shows_the_database_and_says_so(viewer: Client) -> None:
    run = make.session(heartbeat_at=NOW - timedelta(minutes=3), lease_expires_at=NOW - timedelta(minutes=3))
    make.order(run)
    make.fill(make.order(run, status="filled", remaining=0))
    make.position(quantity=Decimal(-7))
    make.cash_entry(balance=Decimal("123.45"), at=NOW - timedelta(seconds=90))
    make.book_snapshot(received_at=NOW - timedelta(seconds=30))
    html = viewer.get("/").content.decode()
    for shown in (
        "These numbers come from the database",
        "Stored numbers",
        "Silent: the lease of the running session ran out",
        "$123.45",
        "1 min 30 s",
        "0.5600",
        "Stored sample, not live",
        "\N{MINUS SIGN}7.00",
    ):
        assert shown in html, shown


def test_a_live_state_that_cannot_be_read_is_not_half_shown(topics: dict[str, Any]) -> None:
    make.account()
    broken = payload.mission()
    broken["cash"]["own"] = "NaN"
    topics["mission"] = broken
    state = build().live
    assert not state.is_live
    assert "could not be read" in state.notice
    assert state.cash.own is None


@pytest.mark.parametrize("missing", ["at", "session", "feed", "cash", "markets", "orders", "fills", "environment"])
def test_a_payload_without_a_needed_part_is_refused(missing: str) -> None:
    broken = payload.mission()
    del broken[missing]
    with pytest.raises(UnreadableState):
        from_payload(broken)


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "x", 1.5, True, []])
def test_a_bad_number_is_refused_and_a_missing_one_stays_unknown(bad: Any) -> None:
    with pytest.raises(UnreadableState):
        from_payload(payload.mission(pnl={"realized": bad}))
    tile = from_payload(payload.mission(pnl={"realized": "1"})).pnl
    assert (tile.unrealized, tile.net) == (None, None)


def test_old_numbers_are_marked_stale_since_when(viewer: Client, topics: dict[str, Any]) -> None:
    topics["mission"] = payload.mission()
    with time_machine.travel(NOW + timedelta(seconds=20), tick=False):
        html = viewer.get("/").content.decode()
    assert "stale since 12:00:00Z, 20 s" in html
    assert 'class="tile is-stale"' in html


def test_a_stop_in_the_database_wins_over_what_the_session_says(topics: dict[str, Any]) -> None:
    make.account()
    topics["mission"] = payload.mission()
    kill_switch_trip(scope="global", reason="drill", actor=None, actor_label="system:test", now=NOW)
    assert (build().live.trading.state, build().trading.state) == ("active", "halted")


def test_a_stop_of_one_market_is_called_partial(topics: dict[str, Any]) -> None:
    make.account()
    topics["mission"] = payload.mission()
    kill_switch_trip(scope="market", scope_id="KXA", reason="drill", actor=None, actor_label="system:test", now=NOW)
    assert build().trading.state == "partly halted"


def test_markets_with_our_interest_come_first_and_can_be_searched(topics: dict[str, Any]) -> None:
    topics["mission"] = payload.mission()
    assert [m.ticker for m in build().markets] == [payload.TICKER, payload.QUIET]
    assert [m.ticker for m in build(query="kxquiet").markets] == [payload.QUIET]
    assert build(query="nothing").markets == ()


def test_the_ladder_marks_own_orders_and_scales_its_bars(topics: dict[str, Any]) -> None:
    topics |= {"mission": payload.mission(), f"book.{payload.TICKER}": payload.book()}
    ladder = build(selected=payload.TICKER).ladder
    assert [row.price for row in ladder.asks] == [Decimal("0.61"), Decimal("0.60")]
    assert (ladder.bids[0].own, ladder.bids[0].is_best, ladder.spread) == (Decimal(5), True, Decimal("0.03"))
    assert [row.share for row in (*ladder.asks, *ladder.bids)] == [20, 7, 2, 5]


def test_a_quiet_book_is_not_a_stale_one(topics: dict[str, Any]) -> None:
    quiet = payload.book() | {"at": (NOW - timedelta(hours=1)).isoformat()}
    topics |= {"mission": payload.mission(), f"book.{payload.TICKER}": quiet}
    ladder = build(selected=payload.TICKER).ladder
    assert (ladder.seen_at, ladder.at, ladder.problem) == (NOW, NOW - timedelta(hours=1), "")


def test_a_live_book_is_not_used_once_the_session_is_silent(topics: dict[str, Any]) -> None:
    make.account()
    make.book_snapshot()
    topics[f"book.{payload.TICKER}"] = payload.book()
    assert build(selected=payload.TICKER).ladder.problem == "Stored sample, not live"


def test_a_book_the_session_does_not_trust_shows_no_prices(topics: dict[str, Any]) -> None:
    empty: dict[str, Any] = {"at": None, "ticker": payload.TICKER, "bids": [], "asks": []}
    topics |= {"mission": payload.mission(), f"book.{payload.TICKER}": empty}
    assert "cannot be trusted" in build(selected=payload.TICKER).ladder.problem


def test_an_unreadable_live_book_shows_no_prices(topics: dict[str, Any]) -> None:
    topics |= {"mission": payload.mission(), f"book.{payload.TICKER}": {"bids": [["x", "1", "0"]], "asks": []}}
    ladder = build(selected=payload.TICKER).ladder
    assert "could not be read" in ladder.problem
    assert ladder.bids == ladder.asks == ()


def test_htmx_gets_every_piece_marked_for_its_place(viewer: Client, topics: dict[str, Any]) -> None:
    topics["mission"] = payload.mission()
    html = viewer.get("/", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in html
    for part in (
        "environment",
        "status",
        "markets",
        "ladder",
        "orders",
        "fills",
        "positions",
        "decisions",
        "incidents",
    ):
        assert f'id="{part}"' in html
    assert html.count('hx-swap-oob="') == 10


def test_titles_from_the_exchange_are_escaped(viewer: Client, topics: dict[str, Any]) -> None:
    topics["mission"] = payload.mission(markets=[payload.market(title="<script>alert(1)</script>")])
    assert "<script>alert" not in viewer.get("/").content.decode()


def test_the_newest_incident_is_on_the_page(viewer: Client) -> None:
    system_event_record(code="DESYNC", severity="critical", source="test", message="Orders differ", now=NOW)
    assert "DESYNC" in viewer.get("/").content.decode()


def test_every_reason_of_the_engine_has_words() -> None:
    assert {str(reason) for reason in (*SkipReason, *QuoteReason)} == set(words.REASONS)
    assert {str(reason) for reason in QuoteReason} == words.QUOTING


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("keep", "Keeping what rests"),
        ("post_only_would_cross", "Post only would cross"),
        ("HTTP 400: no", "HTTP 400: no"),
    ],
)
def test_codes_are_put_in_words_and_texts_of_others_left_alone(said: str, shown: str) -> None:
    assert words.in_words(said) == shown


def test_queries_do_not_grow_with_markets(
    viewer: Client, topics: dict[str, Any], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make.account()
    topics["mission"] = payload.mission(markets=[payload.market(f"KX{n}") for n in range(40)])
    topics["book.KX0"] = payload.book()
    with django_assert_num_queries(13):
        viewer.get("/")


def test_queries_from_the_database_do_not_grow_with_markets(
    viewer: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    run = make.session()
    for number in range(15):
        market = make.market(f"KX{number:02}")
        make.decision(run, market=market)
        make.order(run, market=market)
        make.book_snapshot(market)
    with django_assert_num_queries(26):
        viewer.get("/")
