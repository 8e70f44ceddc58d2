"""Each gate of the promotion ladder is computed from rows that trading itself has written."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User

from apps.governance.models import Incident
from apps.risk.choices import KillOutcome
from apps.risk.models import KillRun, Theme
from apps.trading.choices import Rung
from apps.trading.models import Reconciliation, Settlement, StrategyConfig, StrategyVersion
from apps.trading.parameter_catalog import CATALOG, CatalogEntry, CatalogUnit
from apps.trading.services.ladder import ladder_evaluate, ladder_states, preflight, require_ladder
from apps.trading.services.ladder_evidence import days_run, net_result
from apps.trading.services.ladder_gates import Gate
from tests import factories
from tests.factories import NOW

from .steps import backtest, limits_set, move_to, ready_for_paper, review, trade_days

pytestmark = pytest.mark.django_db
Team = dict[str, User]


def gate(config: StrategyConfig, key: str, rung: Rung = Rung.LIVE) -> Gate:
    return next(g for g in ladder_evaluate(config, now=NOW, rung=rung) if g.key == key)


def reconciled(config: StrategyConfig, *, is_clean: bool = True) -> None:
    Reconciliation.objects.create(
        account=config.account, at=NOW, trigger="interval", own_cash=1, venue_cash=1, cash_drift=0, orders_open=0,
        orders_unknown=0, is_clean=is_clean,
    )  # fmt: skip


def test_the_simulated_rung_is_free(config: StrategyConfig) -> None:
    assert [g.key for g in require_ladder(config, now=NOW, rung=Rung.SIMULATED)] == ["parameters", "processes"]


def test_without_approved_parameters_nothing_can_be_armed(config: StrategyConfig) -> None:
    config.parameter_sets.update(status="retired")
    assert not gate(config, "parameters").passed
    config.parameter_sets.update(status="approved", params_hash="0" * 64)
    assert not gate(config, "parameters").passed


def test_a_higher_rung_needs_everything_below(config: StrategyConfig) -> None:
    counts = [len(ladder_evaluate(config, now=NOW, rung=rung)) for rung in Rung]
    assert counts == sorted(counts)
    assert len(set(counts)) == len(Rung)


def test_days_are_counted_from_what_ran_with_gaps_shown(config: StrategyConfig) -> None:
    move_to(config, "paper")
    trade_days(config, 5)
    trade_days(config, 2, hours=19, until=NOW - timedelta(days=5))
    days = days_run(config.version, "paper", now=NOW)
    assert [(day.hours, day.counts) for day in days] == [
        (Decimal("19.0"), False), (Decimal("19.0"), False), *[(Decimal("24.0"), True)] * 5, (Decimal("0.0"), False),
    ]  # fmt: skip
    found = gate(config, "paper_days")
    assert (found.value, found.passed) == ("5 of 8 days count", False)
    assert found.detail[0].endswith("19.0 h, 5.0 h without")
    trade_days(config, 2, hours=24, until=NOW - timedelta(days=5))
    assert gate(config, "paper_days").passed


def test_two_sessions_at_once_are_one_day(config: StrategyConfig) -> None:
    move_to(config, "paper")
    trade_days(config, 1, hours=12)
    trade_days(config, 1, hours=12)
    assert days_run(config.version, "paper", now=NOW)[0].hours == 12


def test_new_code_begins_at_nothing(config: StrategyConfig) -> None:
    move_to(config, "paper")
    trade_days(config, 7)
    assert gate(config, "paper_days").passed
    newer = StrategyVersion.objects.create(strategy=config.version.strategy, code_hash="1" * 64, created_at=NOW)
    assert days_run(newer, "paper", now=NOW) == []


def test_days_elsewhere_do_not_count(config: StrategyConfig) -> None:
    trade_days(config, 7)
    assert not gate(config, "paper_days").passed
    assert not gate(config, "demo_days").passed


def test_net_result_is_after_fees_over_markets_that_are_over(config: StrategyConfig) -> None:
    move_to(config, "paper")
    trade_days(config, 1)
    run = config.account.sessions.get()
    won, still_open = factories.market("KXTEST-A"), factories.market("KXTEST-B")
    for market in (won, still_open):
        order = factories.order(run, market=market, config=config)
        factories.fill(order, quantity=10, price=Decimal("0.60"), fee=Decimal("0.10"))
    Settlement.objects.create(
        account=config.account, market=won, result="yes", value=1, quantity=10, revenue=10, fee=0, settled_at=NOW
    )
    found = net_result(config.version, "paper")
    # 10 at 0.60 became 10 dollars: 4 less 0.10 of fee, on 6 dollars at risk.
    assert (found.markets, found.fills, found.bps, found.low) == (1, 2, Decimal("6500.0"), None)


def test_net_gate_needs_a_lower_bound_above_zero(config: StrategyConfig) -> None:
    assert not gate(config, "net_bps").passed
    row = backtest(config, net_bps_low=Decimal("-0.1"))
    assert not gate(config, "net_bps").passed
    assert row.net_bps is not None
    backtest(config, run_hash="c" * 64, net_bps_low=Decimal("0.1"))
    assert gate(config, "net_bps").passed


@pytest.mark.parametrize("changes", [{"is_fee_accurate": False}, {"data_from": NOW - timedelta(days=89)}])
def test_a_backtest_with_other_fees_or_too_short_is_no_evidence(
    config: StrategyConfig, changes: dict[str, object]
) -> None:
    assert gate(config, "backtest").value == "no backtest evidence"
    backtest(config, **changes)
    assert not gate(config, "backtest").passed
    backtest(config, run_hash="c" * 64)
    assert gate(config, "backtest").passed


def test_records_must_agree_and_must_have_been_compared(config: StrategyConfig) -> None:
    move_to(config, "demo")
    assert gate(config, "demo_drift").value == "nothing was compared"
    reconciled(config)
    assert gate(config, "demo_drift").passed
    reconciled(config, is_clean=False)
    assert not gate(config, "demo_drift").passed


def test_limits_drills_and_the_stop_itself(config: StrategyConfig) -> None:
    factories.series()
    assert not any(gate(config, key).passed for key in ("limits", "drills", "kill", "cap"))
    limits_set()
    assert gate(config, "limits").passed
    assert gate(config, "cap").passed
    limits_set(max_total_exposure=101)
    assert not gate(config, "cap").passed
    KillRun.objects.create(
        scope="global", reason="drill", pressed_at=NOW - timedelta(days=29), outcome=KillOutcome.PROVED_ZERO
    )
    assert gate(config, "kill").passed
    KillRun.objects.update(pressed_at=NOW - timedelta(days=31))
    assert not gate(config, "kill").passed


def test_open_critical_incidents_stand_in_the_way(config: StrategyConfig) -> None:
    assert gate(config, "incidents").passed
    Incident.objects.create(title="Cash drifted", severity="critical", opened_at=NOW)
    found = gate(config, "incidents")
    assert (found.passed, found.detail) == (False, ("Cash drifted",))


def test_a_parameter_that_must_be_set_blocks_what_needs_it(
    config: StrategyConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = CatalogEntry(name="MR_WINDOW", unit=CatalogUnit.SECONDS, meaning="x", default=None,
                          needed_by=("maker_inside",))  # fmt: skip
    monkeypatch.setitem(CATALOG, "MR_WINDOW", needed)
    assert gate(config, "must_set").value == "missing: MR_WINDOW"
    config.parameter_sets.update(stored={"MR_WINDOW": "60"})
    assert gate(config, "must_set").passed


def test_a_review_must_cover_markets_and_style(team: Team, config: StrategyConfig) -> None:
    review(config.version, team, "KXTEST")
    config.refresh_from_db()
    assert gate(config, "reviewed").passed
    config.markets = ["KXTEST", "KXNEW"]
    found = gate(config, "reviewed")
    assert (found.passed, found.detail) == (False, ("not reviewed for KXNEW",))


def test_what_should_be_shows_but_does_not_block(config: StrategyConfig) -> None:
    assert [(g.key, g.passed, g.blocks) for g in (gate(config, "themes"), gate(config, "alerts"))] == [
        ("themes", False, False), ("alerts", False, False),
    ]  # fmt: skip
    Theme.objects.create(slug="tests", name="Tests", members=["KXTEST"], updated_at=NOW)
    assert gate(config, "themes").passed


def test_preflight_lists_its_nine_lines_in_order(config: StrategyConfig) -> None:
    lines = preflight(ladder_states(config, now=NOW))
    assert [line.requirement for line in lines] == [f"R{n}" for n in range(222, 231)]


def test_the_whole_way_up_to_live_small(team: Team, config: StrategyConfig) -> None:
    move_to(config, "paper")
    ready_for_paper(config, team)
    require_ladder(config, now=NOW, rung=Rung.PAPER)
    trade_days(config, 7)
    reconciled(config)
    require_ladder(config, now=NOW, rung=Rung.DEMO)
    move_to(config, "demo")
    trade_days(config, 7)
    reconciled(config)
    missing = [g.key for g in ladder_evaluate(config, now=NOW, rung=Rung.LIVE_SMALL) if g.blocks and not g.passed]
    # The account's past went with it to demo, so paper has to be walked again by an account of its own.
    assert missing == ["paper_days", "paper_drift", "kill"]
