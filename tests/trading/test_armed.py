"""What a session is told to run: only approved, hashed parameters and the decision code that was configured."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from apps.engine.exposure import NodeKey, NodeLevel
from apps.engine.limits import LimitRule, TradingState
from apps.marketdata.models import Series
from apps.risk.models import RestrictedMarket, RiskLimit, Theme
from apps.risk.models import TradingState as StateRow
from apps.trading.exceptions import CodeMismatch
from apps.trading.execution.armed import armed_fingerprint, held_paths, load_armed
from apps.trading.execution.operations import sessions_ensure
from apps.trading.models import ParameterSet, StrategyVersion
from tests import factories

from .harness import TICKER, arrange

pytestmark = pytest.mark.django_db


def test_a_market_comes_with_grid_fees_limits_and_parameters() -> None:
    account = arrange()
    armed = load_armed(account=account, now=factories.NOW)[TICKER]
    assert armed.problem is None
    assert armed.grid is not None
    assert 5700 in armed.grid
    assert armed.limits is not None
    assert armed.limits.value(LimitRule.MAX_ORDER_DOLLARS) == 500_000_000
    assert armed.restrictions == ()
    assert [str(node) for node in armed.path] == [
        "global", "environment simulated", "account main", "strategy maker-inside", "category uncategorized",
        "series KXTEST", "event KXTEST-26NOV20", f"market {TICKER}",
    ]  # fmt: skip
    assert armed.state is TradingState.ACTIVE


def test_a_market_past_its_close_is_out_of_scope() -> None:
    account = arrange()
    assert load_armed(account=account, now=factories.NOW + timedelta(days=2)) == {}


def test_an_unknown_fee_type_blocks_the_market_and_says_so() -> None:
    account = arrange()
    Series.objects.update(fee_type="brand_new")
    armed = load_armed(account=account, now=factories.NOW)[TICKER]
    assert armed.fee_rule is None
    assert "brand_new" in (armed.problem or "")


def test_a_missing_limit_blocks_the_market() -> None:
    account = arrange()
    RiskLimit.objects.filter(rule="max_order_dollars").delete()
    assert "Dollars per order" in (load_armed(account=account, now=factories.NOW)[TICKER].problem or "")


def test_code_that_is_not_the_configured_one_is_refused() -> None:
    account = arrange()
    StrategyVersion.objects.update(code_hash="0" * 64)
    with pytest.raises(CodeMismatch, match="names code 000000000000"):
        load_armed(account=account, now=factories.NOW)


def test_parameters_that_do_not_hash_to_what_was_approved_are_refused() -> None:
    account = arrange()
    row = ParameterSet.objects.get()
    ParameterSet.objects.update(values=row.values | {"min_spread": "0.0900"})
    with pytest.raises(CodeMismatch, match="does not hash"):
        load_armed(account=account, now=factories.NOW)


def test_a_halt_of_the_market_shows_in_its_state() -> None:
    account = arrange()
    StateRow.objects.create(scope="market", scope_id=TICKER, state="halted", reason="x", changed_at=factories.NOW)
    assert load_armed(account=account, now=factories.NOW)[TICKER].state is TradingState.HALTED


def test_themes_and_restrictions_of_its_series_reach_the_market() -> None:
    account = arrange()
    Theme.objects.create(slug="tests", name="Tests", members=["KXTEST"], updated_at=factories.NOW)
    RestrictedMarket.objects.create(scope="theme", scope_id="tests", reason="insider", added_at=factories.NOW)
    armed = load_armed(account=account, now=factories.NOW)[TICKER]
    assert NodeKey(NodeLevel.THEME, "tests") in armed.path
    assert armed.restrictions == ("firm: insider",)


def test_markets_that_are_held_have_a_place_even_when_nothing_is_armed() -> None:
    account = arrange()
    account.strategy_configs.update(is_enabled=False)
    factories.position(account, market=factories.market(TICKER))
    factories.position(account, market=factories.market("KXTEST-26NOV20-T60"), quantity=0)
    found = held_paths(account=account)
    assert list(found) == [TICKER]
    assert NodeKey(NodeLevel.SERIES, "KXTEST") in found[TICKER]


@pytest.mark.parametrize("change", ["limit", "state", "parameters", "config", "theme", "restriction", "lift"])
def test_the_fingerprint_moves_with_everything_that_matters(change: str) -> None:
    account = arrange()
    if change == "lift":
        RestrictedMarket.objects.create(scope="market", scope_id=TICKER, reason="x", added_at=factories.NOW)
    before = armed_fingerprint(account=account, now=factories.NOW)
    assert armed_fingerprint(account=account, now=factories.NOW) == before
    later = factories.NOW + timedelta(seconds=1)
    config = account.strategy_configs.get()
    if change == "limit":
        RiskLimit.objects.filter(rule="max_price").update(value=Decimal("0.9"), updated_at=later)
    elif change == "state":
        StateRow.objects.create(scope="market", scope_id=TICKER, state="halted", reason="x", changed_at=later)
    elif change == "theme":
        Theme.objects.create(slug="tests", name="Tests", updated_at=later)
    elif change == "restriction":
        RestrictedMarket.objects.create(scope="market", scope_id=TICKER, reason="x", added_at=later)
    elif change == "lift":
        RestrictedMarket.objects.update(lifted_at=later)
    elif change == "parameters":
        factories.parameters(config, number=2)
    else:
        account.strategy_configs.update(is_enabled=False, updated_at=later)
    assert armed_fingerprint(account=account, now=factories.NOW) != before


def test_a_session_is_asked_for_only_where_one_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []
    monkeypatch.setattr(
        "apps.trading.execution.operations.enqueue", lambda task, **kwargs: asked.append({"task": task} | kwargs)
    )
    account = arrange()
    assert sessions_ensure(now=factories.NOW) == 1
    assert asked[0]["task"] == "trading.run_session"
    assert asked[0]["account_id"] == account.pk
    account.is_active = False
    account.save()
    assert sessions_ensure(now=factories.NOW) == 0
