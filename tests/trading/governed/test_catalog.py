"""The register of parameters: every name has one meaning for ever, and bounds refuse instead of moving a value."""

from __future__ import annotations

from datetime import date

import pytest

from apps.engine.errors import InvariantBroken
from apps.engine.strategies.params import describe
from apps.engine.strategies.registry import STRATEGIES
from apps.trading import parameter_catalog as catalog
from apps.trading.parameter_catalog import CATALOG, RISK_SIGN, BadCatalogValue, Home, Tombstone, UnknownName
from apps.trading.parameter_catalog.entries import by_name
from apps.trading.parameter_templates import TEMPLATES

KERNEL = "maker_inside"
REGISTER = [
    "ENABLE_MARKET_MAKING", "MM_GAMMA_WEATHER", "MM_KAPPA", "MM_MIN_SPREAD_CENTS", "MAX_POSITION_PER_MARKET",
    "KELLY_FRACTION", "DRAWDOWN_KELLY", "DRAWDOWN_KELLY_TRIGGER", "MIN_EDGE", "MAX_ORDER_DOLLARS", "CAP_THEME",
    "CAP_CATEGORY", "CAP_CORRELATED", "CAP_TOTAL", "DAILY_LOSS_HALT", "DAILY_LOSS_WARN", "API_ERROR_RATE_HALT",
    "FEED_STALE_SECONDS", "VERIFY_INTERVAL", "DECISION_INTERVAL", "NWS_POLL", "FEDWATCH_POLL", "ESPN_POLL",
    "RECONNECT_MIN", "RECONNECT_MAX", "RATE_BACKOFF", "PRICE_SANITY_MAX", "PRICE_SANITY_MIN", "PAPER_START_CASH",
    "MAKER_SHARE_ROLLOUT", "PREGAME_ENTRY_WINDOW", "PREGAME_MAX_ATTEMPTS", "PREGAME_REENTRY", "LOCK_ATTEMPTS_MAX",
    "LOCK_PROFIT", "TAKE_PROFIT", "STOP_LOSS", "MR_WINDOW", "MR_WARMUP", "MR_MIN_RANGE", "CAP_PER_GAME",
    "BLEND_WEIGHT_ESPN", "TRACK_RECORD_DAYS", "LIVE_SMALL_CAP",
]  # fmt: skip


@pytest.mark.parametrize("name", REGISTER)
def test_every_name_of_the_register_is_known(name: str) -> None:
    known, _ = catalog.resolve(name)
    assert known.meaning
    assert known.default is None or known.checked(known.default)
    assert known.home is Home.PARAMETER_SET or known.where


def test_a_name_with_a_category_is_the_same_parameter_there() -> None:
    known, category = catalog.resolve("MM_GAMMA_WEATHER")
    assert (known.name, category) == ("MM_GAMMA", "Climate and Weather")
    assert catalog.name_in("MM_GAMMA", "Climate and Weather") == "MM_GAMMA_WEATHER"
    with pytest.raises(UnknownName):
        catalog.resolve("CAP_TOTAL_WEATHER")


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("MM_GAMMA", "0.009"), ("MM_GAMMA", "5.01"), ("MM_KAPPA", "0.09"), ("KELLY_FRACTION", "0.51"),
        ("KELLY_FRACTION", "-0.1"), ("KELLY_FRACTION", "NaN"), ("KELLY_FRACTION", "1_0"),
        ("MAX_POSITION_PER_MARKET", "0"),
        ("LIVE_SMALL_CAP", "501"), ("TRACK_RECORD_DAYS", "7.5"), ("PREGAME_REENTRY", "maybe"), ("MM_GAMMA", ""),
        ("MM_GAMMA", "0.12345678"),
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused_not_moved(name: str, bad: str) -> None:
    with pytest.raises(BadCatalogValue):
        CATALOG[name].checked(bad)


def test_a_name_is_never_used_twice_nor_after_it_was_retired() -> None:
    known = CATALOG["MM_GAMMA"]
    with pytest.raises(InvariantBroken):
        by_name((known, known), {})
    with pytest.raises(InvariantBroken):
        by_name((known,), {"MM_GAMMA": Tombstone(date(2026, 1, 1), "meant something else")})


def test_a_retired_name_says_when_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(catalog.RETIRED, "OLD_FLAG", Tombstone(date(2026, 2, 3), "the power peg"))
    with pytest.raises(UnknownName, match="retired 2026-02-03: the power peg"):
        catalog.resolve("OLD_FLAG")


@pytest.mark.parametrize(
    ("name", "text", "present", "field", "written"),
    [
        ("MM_MIN_SPREAD_CENTS", "2", "", "min_spread", "0.02"),
        ("MIN_EDGE", "2", "", "min_edge", "0.02"),
        ("FEED_STALE_SECONDS", "5", "", "max_feed_age_ms", "5000"),
        ("MAKER_SHARE_ROLLOUT", "20", "", "taker_share_bps", "8000"),
        ("MAX_POSITION_PER_MARKET", "5", "", "max_position", "5"),
        ("ENABLE_MARKET_MAKING", "off", "maker", "execution_mode", "sniper"),
        ("ENABLE_MARKET_MAKING", "on", "sniper", "execution_mode", "maker"),
        ("ENABLE_MARKET_MAKING", "on", "hybrid", "execution_mode", "hybrid"),
    ],
)
def test_a_name_the_kernel_reads_is_another_word_for_its_field(
    name: str, text: str, present: str, field: str, written: str
) -> None:
    reads = catalog.reads_of(KERNEL, name)
    assert reads is not None
    assert (reads.field, reads.to_kernel(text, present)) == (field, written)
    assert reads.from_kernel(written) == text
    assert catalog.kernel_name(field) == name


@pytest.mark.parametrize(
    ("field", "low", "high", "shown"),
    [
        ("max_position", "0.00", "1000000.00", "1 to 1000000.00"),
        ("min_spread", "0.0001", "0.9999", "0.0001 to 0.9999"),
        ("min_edge", "0.0000", "0.6000", "0.0000 to 0.5"),
        ("taker_share_bps", "0", "20000", "0 to 10000"),
        ("fade_ticks", "0", "100", "0 to 100"),
    ],
)
def test_the_tighter_of_both_bounds_is_shown(field: str, low: str, high: str, shown: str) -> None:
    assert catalog.field_bounds(field, low, high) == shown


def test_what_no_kernel_reads_is_said_to_be_read_by_none() -> None:
    assert catalog.reads_of(KERNEL, "MM_GAMMA") is None
    assert catalog.reads_of(KERNEL, "KELLY_FRACTION") is None


def test_every_field_of_every_kernel_has_a_known_effect_on_risk() -> None:
    fields = {info.name for kernel in STRATEGIES.values() for info in describe(kernel.params_type())}
    assert fields - set(RISK_SIGN) == set()


def test_parameters_without_a_default_are_needed_by_something() -> None:
    lacking = [known for known in CATALOG.values() if known.default is None]
    assert {"PREGAME_ENTRY_WINDOW", "MM_KAPPA", "STOP_LOSS", "CAP_PER_GAME"} <= {known.name for known in lacking}
    assert all(known.needed_by for known in lacking)
    assert [known.name for known in catalog.must_be_set("pregame")] == ["CAP_PER_GAME", "PREGAME_ENTRY_WINDOW"]
    assert catalog.must_be_set(KERNEL) == ()


def test_the_four_directions_are_ready_as_templates() -> None:
    assert {key: dict(t.changes) for key, t in TEMPLATES.items()} == {
        "A": {"MM_GAMMA_WEATHER": "0.2", "MM_MIN_SPREAD_CENTS": "1"},
        "B": {"ENABLE_MARKET_MAKING": "off"},
        "C": {"execution_mode": "hybrid", "MAKER_SHARE_ROLLOUT": "80"},
        "D": {"MAX_POSITION_PER_MARKET": "5", "KELLY_FRACTION": "0.10"},
    }
