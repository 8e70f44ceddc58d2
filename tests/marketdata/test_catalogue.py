from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pytest_django import DjangoAssertNumQueries

from apps.engine.errors import UnknownFeeType
from apps.governance.models import SystemEvent
from apps.marketdata.exceptions import GridInvalid, MarketUnknown
from apps.marketdata.mapping import market_grid
from apps.marketdata.models import Event, Market, Series
from apps.marketdata.selectors import fee_rule_for, market_get, markets_in_scope, markets_unfinished, series_get
from apps.marketdata.services import CatalogueBatch, CatalogueReport, catalogue_sync, market_lifecycle_apply

from . import wire

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def sync(*, at: datetime = NOW, asked_at: datetime | None = None, **parts: list) -> CatalogueReport:
    batch = {"series": [wire.series()], "events": [wire.event()], "markets": [wire.market()]} | parts
    return catalogue_sync(batch=CatalogueBatch(asked_at or at, **batch), now=at)


def test_sync_stores_series_event_and_market_with_exact_values() -> None:
    report = sync()
    assert (report.series, report.events, report.markets) == (1, 1, 1)
    market = market_get(ticker="KXA-26-T1")
    assert market.event.series == series_get(ticker="KXA")
    assert market.status == "active"
    assert market.close_at == datetime(2026, 11, 21, tzinfo=UTC)
    assert market.volume == Decimal("120.50")
    assert market.event.mutually_exclusive is True
    assert market.price_ranges == [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}]
    assert len(market_grid(market)) == 99


def test_second_sync_updates_rows_in_place() -> None:
    sync()
    before = Market.objects.get().pk
    sync(at=NOW + timedelta(minutes=1), markets=[wire.market(status="inactive", title="New")])
    market = Market.objects.get()
    assert (market.pk, market.status, market.title) == (before, "inactive", "New")
    assert market.updated_at == NOW + timedelta(minutes=1)


def test_number_of_queries_does_not_grow_with_the_markets(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    markets = [wire.market(ticker=f"KXA-26-T{n}") for n in range(150)]
    with django_assert_max_num_queries(12):
        sync(markets=markets)
    assert Market.objects.count() == 150


def test_unknown_words_of_the_exchange_are_kept_as_text() -> None:
    sync(
        series=[wire.series(fee_type="brand_new_fee")],
        markets=[wire.market(status="hibernating", price_level_structure="odd_cent")],
    )
    market = market_get(ticker="KXA-26-T1")
    assert (market.status, market.price_level_structure) == ("hibernating", "odd_cent")
    assert market.event.series.fee_type == "brand_new_fee"
    assert markets_in_scope(None, now=NOW) == []
    with pytest.raises(UnknownFeeType):
        fee_rule_for(market=market, at=NOW)


@pytest.mark.parametrize(
    "ranges",
    [
        [],
        [{"start": "0.0000", "end": "1.0000", "step": "0.0000"}],
        [{"start": "0.9000", "end": "0.1000", "step": "0.0100"}],
    ],
)
def test_market_with_an_impossible_grid_is_stored_and_cannot_be_quoted(ranges: list) -> None:
    report = sync(markets=[wire.market(price_ranges=ranges), wire.market(ticker="KXA-26-T2")])
    assert report.invalid_grids == ["KXA-26-T1"]
    with pytest.raises(GridInvalid):
        market_grid(Market.objects.get(ticker="KXA-26-T1"))
    bad, good = markets_in_scope(None, now=NOW)
    assert bad.grid is None
    assert bad.grid_error
    assert good.grid is not None
    event = SystemEvent.objects.get()
    assert event.code == "CATALOGUE_REFUSED"
    assert event.details["invalid_grids"] == ["KXA-26-T1"]
    sync(markets=[wire.market(price_ranges=ranges)])
    assert SystemEvent.objects.count() == 1


@pytest.mark.parametrize("stored", [None, {}, "x", [{"start": "0"}], [{"start": "a", "end": "1", "step": "1"}], [5]])
def test_grid_that_cannot_be_read_is_a_typed_error(stored: object) -> None:
    with pytest.raises(GridInvalid):
        market_grid(Market(ticker="KXA", price_ranges=stored))


def test_rows_that_refer_to_nothing_are_refused_by_name() -> None:
    report = sync(
        events=[wire.event(), wire.event(ticker="KXB-26", series_ticker="KXB")],
        markets=[wire.market(), wire.market(ticker="KXZ-1", event_ticker="KXZ"), wire.market(ticker="K" * 170)],
    )
    assert set(report.refused) == {"KXB-26", "KXZ-1", "K" * 170}
    assert list(Market.objects.values_list("ticker", flat=True)) == ["KXA-26-T1"]
    assert list(Event.objects.values_list("ticker", flat=True)) == ["KXA-26"]


def test_multiplier_nobody_can_charge_by_blocks_the_series() -> None:
    sync()
    report = sync(series=[wire.series(fee_multiplier=0.12345678)])
    assert "KXA" in report.refused
    assert Series.objects.get().fee_multiplier == Decimal(1)
    with pytest.raises(UnknownFeeType):
        fee_rule_for(market=market_get(ticker="KXA-26-T1"), at=NOW)
    sync()
    assert fee_rule_for(market=market_get(ticker="KXA-26-T1"), at=NOW).multiplier_micro == 1_000_000


def test_answer_older_than_the_socket_news_does_not_undo_it() -> None:
    sync()
    later = NOW + timedelta(seconds=10)
    market_lifecycle_apply(frame=wire.frame(wire.lifecycle("deactivated", "KXA-26-T1")), now=later)
    report = sync(asked_at=NOW + timedelta(seconds=9), at=later + timedelta(seconds=1))
    assert report.newer_kept == 1
    assert Market.objects.get().status == "inactive"
    sync(asked_at=later + timedelta(seconds=5), at=later + timedelta(seconds=6))
    assert Market.objects.get().status == "active"


def test_market_the_exchange_no_longer_knows_leaves_the_scope_until_it_is_seen_again() -> None:
    sync()
    batch = CatalogueBatch(NOW + timedelta(minutes=1), gone=["KXA-26-T1"])
    assert catalogue_sync(batch=batch, now=NOW + timedelta(minutes=1)).gone == 1
    assert markets_in_scope(None, now=NOW) == []
    assert markets_unfinished() == []
    sync(at=NOW + timedelta(minutes=2))
    assert [m.ticker for m in markets_in_scope(None, now=NOW)] == ["KXA-26-T1"]


def test_fee_rule_takes_the_event_override_and_the_waiver() -> None:
    until = NOW + timedelta(days=1)
    sync(
        series=[wire.series(fee_type="quadratic_with_maker_fees", fee_multiplier=0.5)],
        markets=[wire.market(fee_waiver_expiration_time=until.isoformat())],
    )
    market = market_get(ticker="KXA-26-T1")
    assert fee_rule_for(market=market, at=NOW).multiplier_micro == 0
    rule = fee_rule_for(market=market, at=until)
    assert (rule.fee_type, rule.multiplier_micro) == ("quadratic_with_maker_fees", 500_000)
    sync(events=[wire.event(fee_type_override="quadratic", fee_multiplier_override=2)])
    rule = fee_rule_for(market=market_get(ticker="KXA-26-T1"), at=until)
    assert (rule.fee_type, rule.multiplier_micro) == ("quadratic", 2_000_000)


@pytest.mark.parametrize(
    ("event_type", "fields", "expected"),
    [
        ("deactivated", {"is_deactivated": True}, {"status": "inactive"}),
        ("activated", {"is_deactivated": False}, {"status": "active"}),
        ("close_date_updated", {"close_ts": 1_763_700_000}, {"close_at": datetime(2025, 11, 21, 4, 40, tzinfo=UTC)}),
        (
            "determined",
            {"result": "yes", "settlement_value": "1.0000", "determination_ts": 1},
            {"status": "determined", "result": "yes", "settlement_value": Decimal(1)},
        ),
        ("settled", {"settled_ts": 1}, {"status": "finalized"}),
        (
            "price_level_structure_updated",
            {"price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0010"}]},
            {"price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0010"}]},
        ),
    ],
)
def test_lifecycle_news_changes_the_market(event_type: str, fields: dict, expected: dict) -> None:
    sync()
    assert market_lifecycle_apply(frame=wire.frame(wire.lifecycle(event_type, "KXA-26-T1", **fields)), now=NOW)
    market = Market.objects.get()
    assert {name: getattr(market, name) for name in expected} == expected


def test_lifecycle_news_of_an_unknown_kind_changes_nothing() -> None:
    sync()
    assert not market_lifecycle_apply(frame=wire.frame(wire.lifecycle("sparkled", "KXA-26-T1")), now=NOW)
    assert Market.objects.get().status == "active"


@pytest.mark.parametrize("event_type", ["created", "activated"])
def test_lifecycle_news_about_a_market_we_lack_asks_for_the_catalogue(event_type: str) -> None:
    with pytest.raises(MarketUnknown):
        market_lifecycle_apply(frame=wire.frame(wire.lifecycle(event_type, "KXNEW")), now=NOW)


def test_event_fee_update_sets_and_clears_the_override() -> None:
    sync()

    def update(fee_type: str | None, multiplier: float | None) -> None:
        data = wire.raw(
            "event_fee_update",
            4,
            1,
            event_ticker="KXA-26",
            fee_type_override=fee_type,
            fee_multiplier_override=multiplier,
        )
        assert market_lifecycle_apply(frame=wire.frame(data), now=NOW)

    update("quadratic_with_maker_fees", 0.5)
    rule = fee_rule_for(market=market_get(ticker="KXA-26-T1"), at=NOW)
    assert (rule.fee_type, rule.multiplier_micro) == ("quadratic_with_maker_fees", 500_000)
    update(None, None)
    rule = fee_rule_for(market=market_get(ticker="KXA-26-T1"), at=NOW)
    assert (rule.fee_type, rule.multiplier_micro) == ("quadratic", 1_000_000)
    update("quadratic", 0.00000001)
    with pytest.raises(UnknownFeeType):
        fee_rule_for(market=market_get(ticker="KXA-26-T1"), at=NOW)


def test_scope_is_what_is_open_and_named_soonest_close_first(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    def closing(ticker: str, hours: int, **fields: object) -> object:
        return wire.market(ticker=ticker, close_time=(NOW + timedelta(hours=hours)).isoformat(), **fields)

    sync(
        series=[wire.series(), wire.series(ticker="KXB")],
        events=[wire.event(), wire.event(ticker="KXB-1", series_ticker="KXB")],
        markets=[
            closing("KXA-26-LATE", 5),
            closing("KXA-26-SOON", 1),
            closing("KXA-26-PAST", -1),
            closing("KXA-26-HALT", 2, status="inactive"),
            closing("KXA-26-UNBORN", 2, open_time=(NOW + timedelta(hours=1)).isoformat()),
            closing("KXB-1-T1", 3, event_ticker="KXB-1"),
        ],
    )
    with django_assert_num_queries(1):
        found = [m.ticker for m in markets_in_scope(None, now=NOW)]
    assert found == ["KXA-26-SOON", "KXB-1-T1", "KXA-26-LATE"]
    assert [m.ticker for m in markets_in_scope(["KXB"], now=NOW)] == ["KXB-1-T1"]
    assert [m.ticker for m in markets_in_scope(["KXA-26", "KXB-1-T1"], now=NOW, limit=2)] == found[:2]
    assert [m.ticker for m in markets_in_scope(["KXA-26-LATE"], now=NOW)] == ["KXA-26-LATE"]
    assert markets_in_scope([], now=NOW) == []


def test_missing_market_and_series_are_typed_errors() -> None:
    with pytest.raises(MarketUnknown):
        market_get(ticker="KXNONE")
    with pytest.raises(MarketUnknown):
        series_get(ticker="KXNONE")
