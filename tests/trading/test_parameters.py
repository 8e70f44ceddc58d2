"""A change of parameters: proposed, checked by the engine, in force only after a second person."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from apps.core.exceptions import NotPermitted, Refused
from apps.engine.strategies.params import params_from_mapping, params_hash
from apps.engine.strategies.registry import strategy
from apps.governance.choices import Direction
from apps.governance.exceptions import ApproverIsRequester, TargetChanged
from apps.governance.models import ApprovalRequest, AuditEvent
from apps.governance.selectors import approval_rows
from apps.governance.services import approval_request, approval_vote
from apps.trading.models import ParameterSet, StrategyConfig
from apps.trading.services.parameters import (
    BadParameters,
    NoParameters,
    parameters_in_force,
    parameters_propose,
    parameters_put_in_force,
)
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db
Team = dict[str, User]
WHY = "a reason that is long enough"


@pytest.fixture
def config(team: Team) -> StrategyConfig:
    return factories.parameters().config


def propose(config: StrategyConfig, actor: User, **values: str) -> ApprovalRequest:
    return parameters_propose(config=config, values=values, reason=WHY, actor=actor, now=NOW)


def vote(request: ApprovalRequest, actor: User) -> ApprovalRequest:
    factor = factories.fresh_factor(actor)
    return approval_vote(
        request_id=request.pk,
        revision=request.revision,
        vote="approve",
        reason=WHY,
        actor=actor,
        factor=factor,
        now=NOW,
    )


def test_proposal_changes_nothing_until_approved(team: Team, config: StrategyConfig) -> None:
    before = parameters_in_force(config)
    request = propose(config, team["scalper"], min_spread="0.01")
    assert parameters_in_force(config) == before

    vote(request, team["craig"])

    after = parameters_in_force(config)
    assert (after.number, after.status, after.approval, after.created_by) == (2, "approved", request, team["scalper"])
    assert after.values == before.values | {"min_spread": "0.0100"}
    assert after.params_hash == params_hash(params_from_mapping(strategy("maker_inside").params_type(), after.values))
    before.refresh_from_db()
    assert before.status == "retired"
    event = AuditEvent.objects.get(action="trading.parameters.change")
    assert (event.actor, event.object_type, event.object_id) == (
        team["craig"],
        "trading.StrategyConfig",
        str(config.pk),
    )
    assert event.before == {"number": 1, "values": before.values, "params_hash": before.params_hash}
    assert event.after == {
        "number": 2,
        "values": after.values,
        "params_hash": after.params_hash,
        "approval": request.pk,
        "requester": "scalper",
    }


def test_proposer_cannot_approve(team: Team, config: StrategyConfig) -> None:
    request = propose(config, team["craig"], min_spread="0.01")
    with pytest.raises(ApproverIsRequester):
        vote(request, team["craig"])
    assert ParameterSet.objects.count() == 1


@pytest.mark.parametrize("name", ["viewer", "eve"])
def test_proposing_needs_its_right(team: Team, config: StrategyConfig, name: str) -> None:
    with pytest.raises(NotPermitted):
        propose(config, team[name], min_spread="0.03")
    assert not ApprovalRequest.objects.exists()


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"gamma": "0.1"}, "gamma"),
        ({"min_spread": "NaN"}, "min_spread"),
        ({"min_spread": "0"}, "min_spread"),
        ({"min_spread": "0.00001"}, "min_spread"),
        ({"order_quantity": "-1"}, "order_quantity"),
        ({"order_quantity": "1e9"}, "order_quantity"),
        ({"quote_bid": "maybe"}, "quote_bid"),
        ({"min_price": "0.9", "max_price": "0.1"}, "min_price"),
    ],
)
def test_values_the_engine_refuses_are_never_proposed(
    team: Team, config: StrategyConfig, values: dict[str, str], field: str
) -> None:
    with pytest.raises(BadParameters) as error:
        propose(config, team["scalper"], **values)
    assert error.value.extra == {"field": field}
    assert not ApprovalRequest.objects.exists()


def test_proposal_that_changes_nothing_is_refused(team: Team, config: StrategyConfig) -> None:
    with pytest.raises(Refused) as error:
        propose(config, team["scalper"], min_spread="0.02")
    assert error.value.code == "no_change"


@pytest.mark.parametrize(
    ("values", "direction"),
    [
        ({"min_spread": "0.01"}, Direction.RAISES),
        ({"min_spread": "0.05"}, Direction.LOWERS),
        ({"order_quantity": "100.00"}, Direction.RAISES),
        ({"order_quantity": "9.99"}, Direction.LOWERS),
        ({"max_position": "1000"}, Direction.RAISES),
        ({"quote_ask": "false"}, Direction.LOWERS),
        ({"min_price": "0.001"}, Direction.RAISES),
        ({"max_price": "0.5"}, Direction.LOWERS),
        ({"max_feed_age_ms": "60000"}, Direction.RAISES),
        ({"refresh_tolerance_ticks": "2"}, Direction.NEUTRAL),
        ({"execution_mode": "hybrid"}, Direction.RAISES),
        ({"taker_share_bps": "500"}, Direction.RAISES),
        ({"taker_time_in_force": "fok"}, Direction.NEUTRAL),
        ({"max_slippage": "0.02"}, Direction.RAISES),
        ({"min_edge": "0.005"}, Direction.RAISES),
        ({"fade_ticks": "1"}, Direction.LOWERS),
    ],
)
def test_direction_of_a_parameter(
    team: Team, config: StrategyConfig, values: dict[str, str], direction: Direction
) -> None:
    request = propose(config, team["scalper"], **values)
    rows = approval_rows(request)
    assert [row.direction for row in rows if row.direction != Direction.UNCHANGED] == [direction]
    assert len(rows) == len(request.payload["values"])


def test_lowering_risk_takes_one_person_and_acts_at_once(team: Team, config: StrategyConfig) -> None:
    request = propose(config, team["scalper"], min_spread="0.05")
    assert parameters_in_force(config).approval == request
    assert parameters_in_force(config).values["min_spread"] == "0.0500"


def test_switching_a_side_back_on_raises_risk_and_needs_the_boss(team: Team, config: StrategyConfig) -> None:
    propose(config, team["scalper"], quote_bid="false")
    request = propose(config, team["scalper"], quote_bid="true")
    with pytest.raises(NotPermitted):
        vote(request, team["cliff"])
    vote(request, team["craig"])
    assert [p.number for p in ParameterSet.objects.filter(status="approved")] == [3]


def test_every_parameter_of_the_strategy_has_a_known_effect_on_risk(team: Team, config: StrategyConfig) -> None:
    vote(propose(config, team["scalper"], execution_mode="sniper", taker_share_bps="5000"), team["craig"])
    everything = {
        "execution_mode": "hybrid",
        "taker_share_bps": "100",
        "taker_time_in_force": "fok",
        "max_slippage": "0",
        "min_edge": "0.02",
        "reference_ms": "60000",
        "fade_ticks": "1",
        "fade_after_fill_ms": "3000",
        "max_queue_ahead": "1",
        "min_spread": "0.05",
        "order_quantity": "9",
        "max_position": "50",
        "quote_bid": "false",
        "quote_ask": "false",
        "refresh_tolerance_ticks": "1",
        "min_price": "0.1",
        "max_price": "0.9",
        "max_feed_age_ms": "1000",
    }
    directions = {row.direction for row in approval_rows(propose(config, team["scalper"], **everything))}
    assert directions == {Direction.LOWERS, Direction.NEUTRAL}


def test_approval_of_values_proposed_on_other_parameters_is_refused(team: Team, config: StrategyConfig) -> None:
    request = propose(config, team["scalper"], min_spread="0.01")
    values = request.current["values"] | {"max_position": "7.00"}
    parameters_put_in_force(config=config, values=values, approval=None, created_by=None, now=NOW)
    with pytest.raises(TargetChanged):
        vote(request, team["craig"])
    assert parameters_in_force(config).values == values


def test_approval_for_other_code_than_was_shown_is_refused(team: Team, config: StrategyConfig) -> None:
    request = propose(config, team["scalper"], min_spread="0.01")
    config.version.code_hash = "0" * 64
    config.version.save()
    with pytest.raises(TargetChanged):
        vote(request, team["craig"])


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"values": {"min_spread": "0.0500"}, "params_hash": "x"},
        {"values": {}, "params_hash": "x", "is_enabled": True},
    ],
)
def test_hand_made_payload_is_refused(team: Team, config: StrategyConfig, payload: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        approval_request(
            action="trading.parameters.change",
            target_type="trading.StrategyConfig",
            target_id=config.pk,
            payload=payload,
            reason=WHY,
            actor=team["scalper"],
            now=NOW,
        )


def test_without_approved_parameters_there_are_none(team: Team, config: StrategyConfig) -> None:
    ParameterSet.objects.update(status="retired")
    with pytest.raises(NoParameters):
        parameters_in_force(config)
