"""Parameters from the admin: proposed on a form made from the engine's own list, never saved there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.governance.models import ApprovalRequest, AuditEvent
from apps.trading.models import LegPlan, ParameterSet, StrategyConfig
from tests import factories
from tests.people import assert_turned_away

pytestmark = pytest.mark.django_db
ClientOf = Callable[[str], Client]
WHY = "a reason that is long enough"


@pytest.fixture
def config(team: dict[str, User]) -> StrategyConfig:
    return factories.parameters().config


def propose_url(config: StrategyConfig) -> str:
    return reverse("admin:trading_strategyconfig_propose", args=[config.pk])


def filled(client: Client, config: StrategyConfig, **changes: str) -> dict[str, str]:
    """What the browser would send: every field as the page filled it, with these changes."""
    form = client.get(propose_url(config)).context["form"]
    return {name: field.initial or "" for name, field in form.fields.items()} | {"reason": WHY} | changes


def test_form_has_every_parameter_with_bounds_and_what_is_in_force(client_of: ClientOf, config: StrategyConfig) -> None:
    client = client_of("scalper")
    text = client.get(propose_url(config)).content.decode()
    data = filled(client, config)
    assert {k: v for k, v in data.items() if k != "reason"} == ParameterSet.objects.get().values
    assert "Quote only where others' spread is at least this. 0.0001 to 0.9999, default 0.0200" in text


def test_sending_the_form_makes_a_request_and_says_so(client_of: ClientOf, config: StrategyConfig) -> None:
    client = client_of("scalper")
    response = client.post(propose_url(config), filled(client, config, min_spread="0.01"), follow=True)

    assert "waits for another person. Nothing has changed yet." in response.content.decode()
    request = ApprovalRequest.objects.get()
    assert (request.action, request.target_id) == ("trading.parameters.change", str(config.pk))
    assert request.payload["values"]["min_spread"] == "0.0100"
    assert ParameterSet.objects.count() == 1


def test_what_only_lowers_risk_is_in_force_at_once_and_the_page_says_so(
    client_of: ClientOf, config: StrategyConfig
) -> None:
    client = client_of("scalper")
    response = client.post(propose_url(config), filled(client, config, min_spread="0.05"), follow=True)
    assert "In force at once, since it only lowers risk." in response.content.decode()
    assert ParameterSet.objects.filter(status="approved").first().values["min_spread"] == "0.0500"


def test_proposing_turns_others_away(client_of: ClientOf, config: StrategyConfig) -> None:
    data = filled(client_of("scalper"), config, min_spread="0.05")
    assert_turned_away(client_of, propose_url(config), data, "viewer")
    assert not ApprovalRequest.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"min_spread": "wide"}, "min_spread"),
        ({"order_quantity": "0"}, "order_quantity"),
        ({"max_feed_age_ms": "1.5"}, "max_feed_age_ms"),
    ],
)
def test_value_the_engine_refuses_is_marked_at_its_field(
    client_of: ClientOf, config: StrategyConfig, changes: dict[str, str], field: str
) -> None:
    client = client_of("scalper")
    response = client.post(propose_url(config), filled(client, config, **changes))
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    assert not ApprovalRequest.objects.exists()


def test_config_page_says_that_changes_are_proposed(client_of: ClientOf, config: StrategyConfig) -> None:
    page = reverse("admin:trading_strategyconfig_change", args=[config.pk])
    for name, offered in (("scalper", True), ("viewer", False)):
        text = client_of(name).get(page).content.decode()
        assert "another person approves it" in text
        assert (propose_url(config) in text) is offered


def test_config_without_parameters_cannot_be_proposed_on_and_says_so(
    client_of: ClientOf, config: StrategyConfig
) -> None:
    ParameterSet.objects.update(status="retired")
    response = client_of("scalper").get(propose_url(config), follow=True)
    assert response.redirect_chain == [(reverse("admin:trading_strategyconfig_change", args=[config.pk]), 302)]
    assert "no approved parameters" in response.content.decode()


def test_order_page_shows_what_happened_and_its_fills(
    client_of: ClientOf, config: StrategyConfig, django_assert_max_num_queries: Callable[..., object]
) -> None:
    order = factories.order(status="partially_filled", filled=Decimal(5))
    page = reverse("admin:trading_order_change", args=[order.pk])
    for kind in ("submit", "accept", "fill"):
        factories.order_event(order, kind=kind)
    factories.fill(order, trade_id="trade-abc")
    client = client_of("viewer")
    with django_assert_max_num_queries(14):  # type: ignore[attr-defined]
        text = client.get(page).content.decode()
    assert "trade-abc" in text
    assert all(kind in text for kind in ("submit", "accept", "fill"))


@pytest.mark.parametrize("term", ["client_order_id", "venue_order_id"])
def test_order_is_found_by_either_id(client_of: ClientOf, term: str) -> None:
    wanted, other = factories.order(), factories.order()
    listing = reverse("admin:trading_order_changelist")
    response = client_of("viewer").get(listing, {"q": getattr(wanted, term)})
    assert [row.pk for row in response.context["cl"].result_list] == [wanted.pk] != [other.pk]


def narrowed(client: Client, model: str, **query: str) -> set[Any]:
    response = client.get(reverse(f"admin:trading_{model}_changelist"), query)
    assert response.status_code == 200
    return {row.pk for row in response.context["cl"].result_list}


def test_orders_answer_what_rests_what_was_refused_and_what_the_exchange_owes_us(
    client_of: ClientOf, config: StrategyConfig
) -> None:
    now = timezone.now()
    ages = {"accepted": 2, "partially_filled": 0, "denied": 0, "rejected": 2, "unknown": 2, "filled": 2}
    made = {
        name: factories.order(status=name, created_at=now - timedelta(hours=hours, seconds=5)).pk
        for name, hours in ages.items()
    }
    client = client_of("viewer")

    def names(**query: str) -> set[str]:
        found = narrowed(client, "order", **query)
        return {name for name, key in made.items() if key in found}

    assert names(resting="yes") == {"accepted", "partially_filled", "unknown"}
    assert names(resting="hour") == {"accepted", "unknown"}
    assert names(resting="no") == {"denied", "rejected", "filled"}
    assert names(refused="denied_hour") == {"denied"}
    assert names(refused="rejected_day") == {"rejected"}
    assert names(unanswered="minute") == {"unknown"}
    assert names(created_at_within="hour") == {"partially_filled", "denied"}


def test_fills_tell_a_fee_that_was_not_predicted(client_of: ClientOf, config: StrategyConfig) -> None:
    equal = factories.fill(fee=Decimal("0.02"), predicted_fee=Decimal("0.02")).pk
    differs = factories.fill(fee=Decimal("0.02"), predicted_fee=Decimal("0.03")).pk
    unknown = factories.fill(predicted_fee=None).pk
    client = client_of("viewer")
    found = {name: narrowed(client, "fill", fee=name) for name in ("equal", "differs", "unknown")}
    assert found == {"equal": {equal}, "differs": {differs}, "unknown": {unknown}}


def test_decisions_tell_which_sides_were_wanted(client_of: ClientOf, config: StrategyConfig) -> None:
    both = factories.decision().pk
    one = factories.decision(ask_price=None).pk
    none = factories.decision(bid_price=None, ask_price=None).pk
    client = client_of("viewer")
    found = {name: narrowed(client, "decision", quoted=name) for name in ("both", "one", "no")}
    assert found == {"both": {both}, "one": {one}, "no": {none}}


def test_numbers_stand_with_their_unit_and_keep_what_is_rounded_away(
    client_of: ClientOf, config: StrategyConfig
) -> None:
    factories.position(cost=Decimal("1234.567890"), realized_pnl=Decimal("-0.000001"), fees=Decimal("0.0175"))
    text = client_of("viewer").get(reverse("admin:trading_position_changelist")).content.decode()
    assert "Cost, $" in text
    assert '<span title="1,234.56789">1,234.57</span>' in text
    assert '<span title="-0.000001">-&lt;0.01</span>' in text
    assert ">0.0175<" in text


def test_a_plan_is_stopped_with_a_reason_by_who_may(client_of: ClientOf, config: StrategyConfig) -> None:
    plan = LegPlan.objects.create(
        account=config.account, reason="two legs", rule={}, requested_by="scalper", created_at=timezone.now()
    )
    stop = reverse("admin:trading_legplan_stop", args=[plan.pk])
    assert_turned_away(client_of, stop, {"reason": WHY}, "viewer")
    client = client_of("scalper")
    assert stop in client.get(reverse("admin:trading_legplan_change", args=[plan.pk])).content.decode()
    assert client.post(stop, {"reason": WHY}).status_code == 302
    plan.refresh_from_db()
    assert plan.state == "canceled"
    assert AuditEvent.objects.get(object_type="trading.LegPlan", object_id=str(plan.pk)).reason == WHY
    assert stop not in client.get(reverse("admin:trading_legplan_change", args=[plan.pk])).content.decode()
