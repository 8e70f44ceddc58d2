"""Parameters from the admin: proposed on a form made from the engine's own list, never saved there."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from apps.governance.models import ApprovalRequest
from apps.trading.models import ParameterSet, StrategyConfig
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
    response = client.post(propose_url(config), filled(client, config, min_spread="0.05"), follow=True)

    assert "waits for another person. The parameters in force have not changed." in response.content.decode()
    request = ApprovalRequest.objects.get()
    assert (request.action, request.target_id) == ("trading.parameters.change", str(config.pk))
    assert request.payload["values"]["min_spread"] == "0.0500"
    assert ParameterSet.objects.count() == 1


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
