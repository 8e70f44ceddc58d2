from __future__ import annotations

from datetime import timedelta

import pytest

from apps.gateway.errors import ConnectFailed
from apps.governance.models import SystemEvent
from apps.marketdata.feeds.catalogue import CatalogueScope, catalogue_fetch, catalogue_refresh
from apps.marketdata.models import Market
from apps.marketdata.services import CatalogueBatch
from tests import factories

from . import wire
from .fakes import FakeRest

NOW = factories.NOW


def event(ticker: str, series: str, *markets: str) -> object:
    bodies = [wire.market_body(ticker=m, event_ticker=ticker) for m in markets]
    return wire.event(ticker=ticker, series_ticker=series, markets=bodies)


async def fetch(rest: FakeRest, scope: CatalogueScope | None = None, known: tuple[str, ...] = ()) -> CatalogueBatch:
    return await catalogue_fetch(rest, scope or CatalogueScope(), known=known, asked_at=NOW)  # type: ignore[arg-type]


def rest_with(*events: object) -> FakeRest:
    rest = FakeRest()
    rest.open_events = list(events)  # type: ignore[arg-type]
    rest.all_series = {t: wire.series(ticker=t) for t in ("KXA", "KXB")}
    return rest


async def test_open_events_bring_their_markets_and_series() -> None:
    rest = rest_with(event("KXA-1", "KXA", "KXA-1-T1", "KXA-1-T2"), event("KXB-1", "KXB", "KXB-1-T1"))
    batch = await fetch(rest)
    assert [s.ticker for s in batch.series] == ["KXA", "KXB"]
    assert [e.event_ticker for e in batch.events] == ["KXA-1", "KXB-1"]
    assert [m.ticker for m in batch.markets] == ["KXA-1-T1", "KXA-1-T2", "KXB-1-T1"]
    assert (batch.gone, batch.asked_at) == ([], NOW)


async def test_known_market_that_left_the_list_is_asked_for_by_name() -> None:
    rest = rest_with(event("KXA-1", "KXA", "KXA-1-T1"))
    rest.others = {"KXA-0-T1": wire.market(ticker="KXA-0-T1", status="finalized", result="yes")}
    batch = await fetch(rest, known=("KXA-1-T1", "KXA-0-T1", "KXA-0-T9"))
    assert ("markets", "KXA-0-T1,KXA-0-T9") in rest.calls
    assert {m.ticker: m.status for m in batch.markets} == {"KXA-1-T1": "active", "KXA-0-T1": "finalized"}
    assert batch.gone == ["KXA-0-T9"]


async def test_nothing_is_gone_where_a_row_asked_for_by_name_cannot_be_read() -> None:
    rest = rest_with()
    rest.unreadable = {"T005"}
    batch = await fetch(rest, known=tuple(f"T{n:03d}" for n in range(150)))
    # Of the first hundred any may be the one; the second answer was whole.
    assert batch.gone == [f"T{n:03d}" for n in range(100, 150)]
    assert batch.unreadable == {"market: bad status": "1 rows left out"}
    rest.unreadable = set()
    assert len((await fetch(rest, known=("T005", "T006"))).gone) == 2


async def test_one_series_that_cannot_be_read_leaves_out_its_events_alone() -> None:
    rest = rest_with(event("KXA-1", "KXA", "KXA-1-T1"), event("KXB-1", "KXB", "KXB-1-T1"))
    rest.unreadable = {"KXA"}
    batch = await fetch(rest)
    assert [s.ticker for s in batch.series] == ["KXB"]
    assert [e.event_ticker for e in batch.events] == ["KXB-1"]
    assert batch.unreadable == {"KXA": "the series cannot be read: series: fee_type is missing"}


async def test_names_are_asked_for_a_hundred_at_a_time() -> None:
    rest = rest_with()
    await fetch(rest, known=tuple(f"T{n:03d}" for n in range(250)))
    assert [len(call[1].split(",")) for call in rest.calls if call[0] == "markets"] == [100, 100, 50]


async def test_scope_names_series_and_caps_the_open_markets() -> None:
    rest = rest_with(event("KXA-1", "KXA", "T1", "T2"), event("KXB-1", "KXB", "T3"), event("KXA-2", "KXA", "T4"))
    batch = await fetch(rest, CatalogueScope(series=("KXB",)))
    assert [m.ticker for m in batch.markets] == ["T3"]
    batch = await fetch(rest, CatalogueScope(market_cap=3))
    assert [m.ticker for m in batch.markets] == ["T1", "T2", "T3"]


async def test_many_series_are_read_in_one_list_and_an_unknown_one_is_left_out() -> None:
    rest = rest_with(event("KXZ-1", "KXZ", "T1"))
    assert (await fetch(rest)).series == []
    many = rest_with(*[event(f"KX{n}-1", f"KX{n}", f"T{n}") for n in range(60)])
    many.all_series = {f"KX{n}": wire.series(ticker=f"KX{n}") for n in range(60)}
    assert len((await fetch(many)).series) == 60
    assert [c[0] for c in many.calls] == ["events", "series_list"]


@pytest.mark.django_db
def test_refresh_stores_what_it_read_and_closes_the_client() -> None:
    rest = rest_with(event("KXA-1", "KXA", "KXA-1-T1"))
    report = catalogue_refresh(make_rest=lambda: rest)  # type: ignore[arg-type, return-value]
    assert (report.markets, rest.closed) == (1, 1)
    assert Market.objects.get().ticker == "KXA-1-T1"


@pytest.mark.django_db
def test_refresh_names_the_series_it_could_not_read_and_stores_the_others() -> None:
    known = factories.market(ticker="KXA-1-T1", updated_at=NOW - timedelta(days=1))
    rest = rest_with(event("KXA-1", "KXA", "KXA-1-T9"), event("KXB-1", "KXB", "KXB-1-T1"))
    rest.unreadable = {"KXA", known.ticker}
    catalogue_refresh(make_rest=lambda: rest)  # type: ignore[arg-type, return-value]
    assert dict(Market.objects.values_list("ticker", "status")) == {"KXA-1-T1": "active", "KXB-1-T1": "active"}
    told = SystemEvent.objects.get()
    assert told.code == "CATALOGUE_REFUSED"
    assert "cannot be read" in told.details["refused"]["KXA"]


@pytest.mark.django_db
def test_refresh_that_cannot_reach_the_exchange_changes_nothing() -> None:
    market = factories.market(updated_at=NOW - timedelta(days=1))
    rest = rest_with()
    rest.fails = ConnectFailed("no route")
    with pytest.raises(ConnectFailed):
        catalogue_refresh(make_rest=lambda: rest)  # type: ignore[arg-type, return-value]
    market.refresh_from_db()
    assert market.status == "active"
    assert rest.closed == 1
