"""Markets, arming and fallback: raising takes signatures, switching off takes one person at once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from apps.core.exceptions import NotPermitted, Refused
from apps.governance.exceptions import TargetChanged
from apps.governance.models import ApprovalRequest, AuditEvent, ReviewItem
from apps.trading.choices import ParameterStatus
from apps.trading.execution.armed import load_armed
from apps.trading.models import GateWaiver, StrategyConfig, StrategyVersion
from apps.trading.services.ladder import LadderOpen, ladder_evaluate
from apps.trading.services.parameters import parameters_in_force
from apps.trading.services.strategies import (
    NoFallback,
    config_disable,
    config_enable_propose,
    config_scope_propose,
    fallback_of,
    fallback_propose,
    fallback_switch,
    waiver_propose,
)
from tests import factories
from tests.factories import NOW

from .steps import WHY, limits_set, move_to, ready_for_paper, sign

pytestmark = pytest.mark.django_db
Team = dict[str, User]


def scope_propose(config: StrategyConfig, actor: User, *markets: str, most: int = 50) -> ApprovalRequest:
    return config_scope_propose(
        config=config, markets=markets, max_markets=most, reason=WHY, actor=actor, now=NOW + timedelta(minutes=1)
    )


def enable_propose(config: StrategyConfig, actor: User, rung: str = "") -> ApprovalRequest:
    return config_enable_propose(config=config, reason=WHY, actor=actor, now=NOW, rung=rung)


def test_more_markets_wait_for_the_boss(team: Team, config: StrategyConfig) -> None:
    factories.series("KXTEST")
    factories.series("KXNEW")
    request = scope_propose(config, team["scalper"], "KXTEST", "KXNEW")
    config.refresh_from_db()
    assert config.markets == ["KXTEST"]
    with pytest.raises(NotPermitted):
        sign(request, team["cliff"])
    sign(request, team["craig"])
    config.refresh_from_db()
    assert (config.markets, config.updated_at) == (["KXTEST", "KXNEW"], NOW)
    assert AuditEvent.objects.get(action="trading.scope.change").before["markets"] == ["KXTEST"]  # type: ignore[index]


def test_fewer_markets_act_at_once_and_open_a_review(team: Team, config: StrategyConfig) -> None:
    scope_propose(config, team["scalper"], most=10)
    config.refresh_from_db()
    assert (config.markets, config.max_markets) == ([], 10)
    assert ReviewItem.objects.get().kind == "lowered"


@pytest.mark.parametrize("most", [0, 1001])
def test_how_many_markets_is_bounded(team: Team, config: StrategyConfig, most: int) -> None:
    with pytest.raises(Refused):
        scope_propose(config, team["scalper"], "KXTEST", most=most)


def test_a_market_nobody_knows_is_refused(team: Team, config: StrategyConfig) -> None:
    with pytest.raises(Refused) as error:
        scope_propose(config, team["scalper"], "KXTEST", "KXTYPO")
    assert error.value.code == "unknown_market"


def test_outside_the_simulator_a_market_must_be_within_the_review(team: Team, config: StrategyConfig) -> None:
    factories.series("KXNEW")
    move_to(config, "paper")
    with pytest.raises(Refused) as error:
        scope_propose(config, team["scalper"], "KXTEST", "KXNEW")
    assert error.value.code == "not_reviewed"


def test_anybody_who_may_stop_switches_off_at_once(team: Team, config: StrategyConfig) -> None:
    config_disable(config=config, reason="", actor=team["viewer"], now=NOW)
    assert (config.is_enabled, config.updated_at) == (False, NOW)
    event = AuditEvent.objects.get(action="trading.config.disable")
    assert (event.actor, event.reason) == (team["viewer"], "Switched off from the console")
    assert ReviewItem.objects.get().opened_by == team["viewer"]
    with pytest.raises(NotPermitted):
        config_disable(config=config, reason="", actor=team["eve"], now=NOW)


def test_switching_on_again_is_signed_and_refused_once_its_base_has_moved(team: Team, config: StrategyConfig) -> None:
    config_disable(config=config, reason="", actor=team["scalper"], now=NOW)
    request = enable_propose(config, team["scalper"])
    StrategyConfig.objects.update(markets=["KXOTHER"])
    with pytest.raises(TargetChanged):
        sign(request, team["craig"])
    config.refresh_from_db()
    assert config.is_enabled is False


def test_arming_on_paper_lists_what_is_missing_and_makes_no_request(team: Team, config: StrategyConfig) -> None:
    move_to(config, "paper")
    with pytest.raises(LadderOpen) as error:
        enable_propose(config, team["scalper"])
    missing = {line["gate"] for line in error.value.extra["missing"]}
    assert {"reviewed", "limits", "drills", "backtest"} <= missing
    assert "no backtest evidence" in error.value.message
    assert not ApprovalRequest.objects.filter(action="trading.config.enable").exists()


def test_armed_on_paper_with_everything_there_the_session_loads_it(team: Team, config: StrategyConfig) -> None:
    factories.market()
    move_to(config, "paper")
    ready_for_paper(config, team)
    request = enable_propose(config, team["scalper"])
    assert request.environment == "paper"
    sign(request, team["craig"])
    config.refresh_from_db()
    assert (config.is_enabled, config.rung, config.approval) == (True, "paper", request)
    assert load_armed(account=config.account, now=NOW)


def test_a_gate_that_falls_before_the_signature_stops_it(team: Team, config: StrategyConfig) -> None:
    move_to(config, "paper")
    ready_for_paper(config, team)
    request = enable_propose(config, team["scalper"])
    later = NOW + timedelta(hours=1)
    StrategyVersion.objects.update(execution_styles=["sniper"])
    with pytest.raises(LadderOpen):
        sign(request, team["craig"], later)
    config.refresh_from_db()
    assert config.is_enabled is False


def test_a_config_cannot_be_armed_for_another_environment(team: Team, config: StrategyConfig) -> None:
    with pytest.raises(Refused) as error:
        enable_propose(config, team["scalper"], rung="live")
    assert error.value.code == "bad_rung"


def test_a_signed_fallback_is_in_force_by_one_person_at_once(team: Team, config: StrategyConfig) -> None:
    before = parameters_in_force(config)
    request = fallback_propose(
        config=config, values={"MM_MIN_SPREAD_CENTS": "1"}, reason=WHY, actor=team["scalper"], now=NOW
    )
    with pytest.raises(NoFallback):
        fallback_switch(config=config, reason=WHY, actor=team["scalper"], now=NOW)
    sign(request, team["craig"])
    assert parameters_in_force(config) == before

    created = fallback_switch(config=config, reason=WHY, actor=team["scalper"], now=NOW)

    assert parameters_in_force(config) == created
    assert (created.values["min_spread"], created.params_hash, created.approval) == (
        "0.0100", request.params_hash, request,
    )  # fmt: skip
    assert fallback_of(config) is None
    assert ReviewItem.objects.get().kind == "fallback"


def test_a_fallback_of_other_code_is_refused(team: Team, config: StrategyConfig) -> None:
    request = fallback_propose(
        config=config, values={"MM_MIN_SPREAD_CENTS": "1"}, reason=WHY, actor=team["scalper"], now=NOW
    )
    sign(request, team["craig"])
    StrategyVersion.objects.update(code_hash="0" * 64)
    config.version.refresh_from_db()
    with pytest.raises(NoFallback, match="other code"):
        fallback_switch(config=config, reason=WHY, actor=team["scalper"], now=NOW)
    assert config.parameter_sets.filter(status=ParameterStatus.FALLBACK).exists()


def test_only_the_gate_the_rules_name_can_be_waived_and_by_the_boss(team: Team, config: StrategyConfig) -> None:
    limits_set()
    with pytest.raises(Refused) as error:
        waiver_propose(config=config, gate="backtest", reason=WHY, actor=team["scalper"], now=NOW)
    assert error.value.code == "not_waivable"
    request = waiver_propose(config=config, gate="net_bps", reason=WHY, actor=team["scalper"], now=NOW)
    with pytest.raises(NotPermitted):
        sign(request, team["cliff"])
    sign(request, team["craig"])
    assert GateWaiver.objects.get().approval == request
    move_to(config, "live")
    for days, waived in ((0, True), (31, False)):
        gates = ladder_evaluate(config, now=NOW + timedelta(days=days))
        gate = next(gate for gate in gates if gate.key == "net_bps")
        assert (gate.passed, gate.is_waived) == (waived, waived)
