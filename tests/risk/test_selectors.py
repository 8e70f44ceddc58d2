"""What binds an order: strictest state, tightest limit, and no limit means no order."""

from __future__ import annotations

from decimal import Decimal

import pytest

from apps.engine.errors import BadNumber
from apps.engine.exposure import ExposureTree, NodeKey, NodeLevel
from apps.engine.limits import Limit
from apps.engine.limits import LimitRule as EngineRule
from apps.engine.limits import TradingState as EngineState
from apps.risk.choices import LimitRule, Scope
from apps.risk.exceptions import LimitMissing
from apps.risk.models import RestrictedMarket, RiskLimit, Theme, TradingState
from apps.risk.scopes import UNCATEGORIZED, MarketKeys, scope_text
from apps.risk.selectors import (
    RiskRows,
    halted_scopes,
    limits_for,
    restricted_reason,
    state_for,
    states_all,
    states_restricting,
)
from tests.factories import NOW, user

pytestmark = pytest.mark.django_db
KEYS = {
    "account": "main",
    "environment": "live",
    "strategy_slug": "maker_inside",
    "category": "Crypto",
    "themes": ("bitcoin", "risk-on"),
    "series": "KXTEST",
    "event": "KXTEST-26",
    "market": "KXTEST-1",
}
ACCOUNT, MARKET = NodeKey(NodeLevel.ACCOUNT, "main"), NodeKey(NodeLevel.MARKET, "KXTEST-1")
ALL = {
    "max_order_dollars": "500",
    "max_contracts_per_market": "30",
    "min_price": "0.02",
    "max_price": "0.98",
    "max_total_exposure": "2000",
}


def state(scope: str, scope_id: str, value: str) -> None:
    TradingState.objects.create(scope=scope, scope_id=scope_id, state=value, reason="x", changed_at=NOW)


def limits(scope: str, scope_id: str, **values: str) -> None:
    for rule, value in values.items():
        RiskLimit.objects.create(scope=scope, scope_id=scope_id, rule=rule, value=Decimal(value), updated_at=NOW)


def both_states(**keys: object) -> EngineState:
    """The selector and its in-memory twin must agree."""
    found = state_for(**keys)
    assert RiskRows.load().state_for(**keys) is found
    return found


def test_scope_without_a_row_is_active() -> None:
    assert both_states(**KEYS) is EngineState.ACTIVE


@pytest.mark.parametrize(
    ("scope", "scope_id"),
    [
        ("global", ""),
        ("account", "main"),
        ("environment", "live"),
        ("strategy", "maker_inside"),
        ("category", "Crypto"),
        ("theme", "bitcoin"),
        ("theme", "risk-on"),
        ("series", "KXTEST"),
        ("event", "KXTEST-26"),
        ("market", "KXTEST-1"),
        ("account", "*"),
        ("theme", "*"),
        ("market", "*"),
    ],
)
def test_every_scope_can_stop_an_order(scope: str, scope_id: str) -> None:
    state(scope, scope_id, "halted")
    assert both_states(**KEYS) is EngineState.HALTED


def test_stop_elsewhere_does_not_bind() -> None:
    state("account", "other", "halted")
    state("market", "KXTEST-2", "halted")
    state("series", "main", "halted")
    assert both_states(**KEYS) is EngineState.ACTIVE


def test_strictest_state_wins() -> None:
    state("global", "", "active")
    state("series", "KXTEST", "reducing")
    assert both_states(**KEYS) is EngineState.REDUCING
    state("market", "KXTEST-1", "halted")
    assert both_states(**KEYS) is EngineState.HALTED


def test_state_that_is_not_known_counts_as_halted() -> None:
    state("global", "", "resting")
    assert both_states(**KEYS) is EngineState.HALTED


def test_states_lists() -> None:
    state("global", "", "active")
    state("market", "KXTEST-1", "halted")
    assert [row.scope for row in states_all()] == ["global", "market"]
    assert [row.scope for row in states_restricting()] == ["market"]


def test_limits_come_in_engine_units_on_their_node() -> None:
    limits("account", "main", **ALL)
    limits("theme", "bitcoin", max_nav_share="0.15", max_orders_per_minute="60", max_contracts="12.5")
    limits("market", "KXTEST-1", max_depth_share="0.333333", max_order_contracts="2.5")
    found = limits_for(**KEYS)
    theme = NodeKey(NodeLevel.THEME, "bitcoin")
    assert set(found.limits) == {
        Limit(EngineRule.MAX_ORDER_DOLLARS, ACCOUNT, 500_000_000),
        Limit(EngineRule.MAX_CONTRACTS_PER_MARKET, ACCOUNT, 3_000),
        Limit(EngineRule.MIN_PRICE, ACCOUNT, 200),
        Limit(EngineRule.MAX_PRICE, ACCOUNT, 9_800),
        Limit(EngineRule.MAX_TOTAL_EXPOSURE, ACCOUNT, 2_000_000_000),
        Limit(EngineRule.MAX_NAV_SHARE, theme, 150_000),
        Limit(EngineRule.MAX_ORDERS_PER_MINUTE, theme, 60),
        Limit(EngineRule.MAX_CONTRACTS, theme, 1_250),
        Limit(EngineRule.MAX_DEPTH_SHARE, MARKET, 333_333),
        Limit(EngineRule.MAX_ORDER_CONTRACTS, MARKET, 250),
    }
    assert found.problem is None
    assert RiskRows.load().limits_for(**KEYS) == found


def test_tightest_limit_of_all_scopes_wins() -> None:
    limits("global", "", **ALL)
    limits("account", "main", max_order_dollars="600", min_price="0.01", max_price="0.99")
    limits("market", "KXTEST-1", max_order_dollars="40", min_price="0.05", max_price="0.9")
    limits("market", "KXTEST-2", max_order_dollars="1")
    found = limits_for(**KEYS)
    rules = (EngineRule.MAX_ORDER_DOLLARS, EngineRule.MIN_PRICE, EngineRule.MAX_PRICE)
    assert [found.value(rule) for rule in rules] == [40_000_000, 500, 9_000]
    assert RiskRows.load().limits_for(**KEYS) == found


def test_a_limit_for_each_theme_binds_each_on_its_own() -> None:
    limits("global", "", **ALL)
    limits("theme", "*", max_nav_share="0.15")
    limits("theme", "bitcoin", max_nav_share="0.10")
    found = [(li.node.id, li.value) for li in limits_for(**KEYS).limits if li.rule is EngineRule.MAX_NAV_SHARE]
    assert sorted(found) == [("bitcoin", 100_000), ("bitcoin", 150_000), ("risk-on", 150_000)]
    without = RiskRows.load().limits_for(**(KEYS | {"themes": ()}))
    assert without.value(EngineRule.MAX_NAV_SHARE) is None
    assert without == limits_for(**(KEYS | {"themes": ()}))


def test_every_rule_and_scope_is_known_to_the_engine() -> None:
    assert {rule.value for rule in LimitRule} < {rule.value for rule in EngineRule}
    assert {scope.value for scope in Scope} == {level.value for level in NodeLevel}


def test_the_path_of_a_market_is_a_place_in_the_tree() -> None:
    path = MarketKeys(**KEYS).path  # type: ignore[arg-type]
    assert [str(node) for node in path] == [
        "global", "environment live", "account main", "strategy maker_inside", "category Crypto", "theme bitcoin",
        "theme risk-on", "series KXTEST", "event KXTEST-26", "market KXTEST-1",
    ]  # fmt: skip
    ExposureTree().place("KXTEST-1", path)
    assert NodeKey(NodeLevel.CATEGORY, UNCATEGORIZED) in MarketKeys(category="").path
    assert scope_text("theme", "*") == "Each theme"


def test_markets_without_a_category_share_one_that_limits_for_each_bind() -> None:
    limits("global", "", **ALL)
    limits("category", "*", max_nav_share="0.2")
    found = limits_for(**(KEYS | {"category": ""}))
    assert [li.node.id for li in found.limits if li.rule is EngineRule.MAX_NAV_SHARE] == [UNCATEGORIZED]


def test_themes_name_series_events_or_markets() -> None:
    for slug, members in (("a", ["KXTEST"]), ("b", ["KXTEST-26", "KXOTHER"]), ("c", ["KXTEST-1"]), ("d", ["KXT"])):
        Theme.objects.create(slug=slug, name=slug, members=members, updated_at=NOW)
    rows = RiskRows.load()
    assert rows.themes_of("KXTEST", "KXTEST-26", "KXTEST-1") == ("a", "b", "c")
    assert rows.themes_of("KXTEST-1") == ("c",)
    assert rows.themes_of() == ()


@pytest.mark.parametrize(
    ("scope", "scope_id"),
    [
        ("market", "KXTEST-1"),
        ("event", "KXTEST-26"),
        ("series", "KXTEST"),
        ("theme", "bitcoin"),
        ("category", "Crypto"),
    ],
)
def test_a_restriction_says_whose_it_is_and_why(scope: str, scope_id: str) -> None:
    alice, bob = user("alice"), user("bob")
    RestrictedMarket.objects.create(scope=scope, scope_id=scope_id, user=alice, reason="works there", added_at=NOW)
    assert restricted_reason(**KEYS) == "alice: works there"
    assert restricted_reason(user=alice, **KEYS) == "alice: works there"
    assert restricted_reason(user=bob, **KEYS) is None
    RestrictedMarket.objects.create(scope=scope, scope_id=scope_id, reason="listed", added_at=NOW)
    assert restricted_reason(user=bob, **KEYS) == "firm: listed"
    assert restricted_reason(**KEYS) == "alice: works there; firm: listed"
    RestrictedMarket.objects.update(lifted_at=NOW)
    assert restricted_reason(**KEYS) is None


def test_a_restriction_elsewhere_does_not_bind() -> None:
    RestrictedMarket.objects.create(scope="market", scope_id="KXTEST-2", reason="x", added_at=NOW)
    assert restricted_reason(**KEYS) is None


@pytest.mark.parametrize(
    ("scope", "scope_id", "found"),
    [
        ("global", "", ["global"]),
        ("account", "main", ["account"]),
        ("account", "*", ["account"]),
        ("account", "other", []),
        ("environment", "live", ["environment"]),
        ("environment", "*", ["environment"]),
        ("environment", "demo", []),
        ("market", "KXTEST-1", []),
    ],
)
def test_scopes_that_halt_a_whole_account(scope: str, scope_id: str, found: list[str]) -> None:
    state(scope, scope_id, "halted")
    assert halted_scopes(account="main", environment="live") == found
    TradingState.objects.update(state="reducing")
    assert halted_scopes(account="main", environment="live") == []


@pytest.mark.parametrize("missing", list(ALL))
def test_rule_without_a_limit_is_an_error_and_not_a_default(missing: str) -> None:
    limits("account", "main", **{rule: value for rule, value in ALL.items() if rule != missing})
    for ask in (limits_for, RiskRows.load().limits_for):
        with pytest.raises(LimitMissing):
            ask(**KEYS)


@pytest.mark.parametrize(("rule", "value"), [("max_price", "0.980001"), ("max_orders_per_minute", "1.5")])
def test_limit_finer_than_the_engine_counts_is_an_error(rule: str, value: str) -> None:
    limits("account", "main", **(ALL | {rule: value}))
    with pytest.raises(BadNumber):
        limits_for(**KEYS)


def test_each_selector_asks_the_database_once(django_assert_num_queries: object) -> None:
    limits("account", "main", **ALL)
    with django_assert_num_queries(1):  # type: ignore[operator]
        limits_for(**KEYS)
    with django_assert_num_queries(1):  # type: ignore[operator]
        state_for(**KEYS)
