"""Pages of strategies and parameters: what is approved, what runs, what is missing, and who may do what."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from apps.governance.models import ApprovalRequest, ReviewItem
from apps.trading.models import ParameterSet, StrategyConfig, StrategyVersion
from apps.trading.services.parameters import parameters_propose
from tests import factories as make

pytestmark = pytest.mark.django_db
ClientOf = Callable[[str], Client]
WHY = "a reason that is long enough"


@pytest.fixture
def config() -> StrategyConfig:
    return make.parameters().config


def step(config: StrategyConfig, name: str) -> str:
    return reverse(f"console:strategy-{name}", args=[config.pk])


def test_list_shows_state_code_parameters_and_how_far_up_the_ladder(
    client_of: ClientOf, config: StrategyConfig
) -> None:
    text = client_of("viewer").get(reverse("console:strategies")).content.decode()
    assert config.version.strategy.name in text
    assert config.version.code_hash[:12] in text
    assert "Unreviewed" in text
    assert "up to Simulated" in text


def test_strategy_page_shows_every_rung_and_says_what_is_missing(client_of: ClientOf, config: StrategyConfig) -> None:
    text = client_of("viewer").get(reverse("console:strategy", args=["maker-inside"])).content.decode()
    for said in ("Simulated", "Paper", "Demo", "Live, small", "no backtest evidence", "R222", "R230",
                 "0 of 0 days count", "No process reports", "nobody has reviewed it"):  # fmt: skip
        assert said in text, said
    assert f"/audit/?object=trading.StrategyConfig:{config.pk}" in text


def test_an_unknown_strategy_is_not_found(client_of: ClientOf) -> None:
    assert client_of("viewer").get(reverse("console:strategy", args=["nobody"])).status_code == 404


def test_page_shows_base_override_and_effective_value(
    team: dict[str, User], client_of: ClientOf, config: StrategyConfig
) -> None:
    parameters_propose(
        config=config, values={"MM_MIN_SPREAD_CENTS": "5"}, category="Climate and Weather", reason=WHY,
        actor=team["scalper"], now=make.NOW,
    )  # fmt: skip
    text = client_of("viewer").get(reverse("console:strategy", args=["maker-inside"])).content.decode()
    assert "MM_MIN_SPREAD_CENTS_WEATHER <b>0.0200 → 0.0500</b>" in text
    assert "no kernel reads this yet" in text


def test_queries_of_the_pages_do_not_grow(
    client_of: ClientOf, config: StrategyConfig, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = client_of("viewer")
    for url in (reverse("console:strategies"), reverse("console:strategy", args=["maker-inside"])):
        client.get(url)
        with django_assert_max_num_queries(70):
            client.get(url)


def test_switching_off_takes_one_person_and_opens_a_review(client_of: ClientOf, config: StrategyConfig) -> None:
    response = client_of("viewer").post(step(config, "off"), {"reason": ""})
    assert response.status_code == 302
    config.refresh_from_db()
    assert config.is_enabled is False
    assert ReviewItem.objects.get().kind == "stopped"


def test_arming_for_paper_is_refused_with_the_list(client_of: ClientOf, config: StrategyConfig) -> None:
    config.account.environment = "paper"
    config.account.save()
    data = {"rung": "paper", "version": config.version_id, "reason": WHY}
    response = client_of("scalper").post(step(config, "arm"), data)
    assert response.status_code == 422
    text = response.content.decode()
    assert "Paper is not reached." in text
    assert "no backtest evidence" in text
    assert not ApprovalRequest.objects.exists()


def test_arming_on_the_simulator_is_asked_for(client_of: ClientOf, config: StrategyConfig) -> None:
    StrategyConfig.objects.update(is_enabled=False)
    data = {"rung": "simulated", "version": config.version_id, "reason": WHY}
    response = client_of("scalper").post(step(config, "arm"), data)
    request = ApprovalRequest.objects.get()
    assert response["Location"] == reverse("console:approval", args=[request.pk])
    assert request.action == "trading.config.enable"


def test_review_is_asked_for_with_what_it_covers(client_of: ClientOf, config: StrategyConfig) -> None:
    url = reverse("console:strategy-review", args=[config.version_id])
    data = {"scope": "KXTEST, kxother", "execution_styles": ["maker"], "reason": WHY}
    assert client_of("scalper").post(url, data).status_code == 302
    payload = ApprovalRequest.objects.get().payload
    assert (payload["scope"], payload["execution_styles"]) == (["KXOTHER", "KXTEST"], ["maker"])


@pytest.mark.parametrize("name", ["arm", "markets", "fallback", "waive"])
def test_steps_are_for_those_who_may_propose(client_of: ClientOf, config: StrategyConfig, name: str) -> None:
    url = reverse("console:strategy-scope" if name == "markets" else f"console:strategy-{name}", args=[config.pk])
    viewer = client_of("viewer")
    assert client_of("").post(url, {"reason": WHY})["Location"].startswith("/sign-in/")
    for client in (client_of("outsider"), client_of("eve"), viewer):
        assert client.post(url, {"reason": WHY}).status_code == 403
    assert not ApprovalRequest.objects.exists()
    assert StrategyConfig.objects.get().is_enabled is True


def test_review_page_turns_others_away(client_of: ClientOf, config: StrategyConfig) -> None:
    url = reverse("console:strategy-review", args=[config.version_id])
    assert client_of("viewer").post(url, {"scope": "KXTEST", "reason": WHY}).status_code == 403
    assert StrategyVersion.objects.get().reviewed_at is None


def test_template_shows_what_would_change_and_asks_for_it(client_of: ClientOf, config: StrategyConfig) -> None:
    client = client_of("scalper")
    url = reverse("console:parameters-template", args=[config.pk, "A"])
    text = client.get(url).content.decode()
    assert "MM_MIN_SPREAD_CENTS" in text
    assert "MM_GAMMA_WEATHER" in text
    assert client.post(url, {"reason": "short"}).status_code == 422
    assert client.post(url, {"reason": WHY}).status_code == 302
    payload = ApprovalRequest.objects.get().payload
    assert payload["values"]["min_spread"] == "0.0100"
    assert payload["overrides"] == {"Climate and Weather": {"MM_GAMMA": "0.2"}}
    assert client.get(reverse("console:parameters-template", args=[config.pk, "Z"])).status_code == 404


def test_category_form_changes_only_what_is_filled_in(client_of: ClientOf, config: StrategyConfig) -> None:
    client = client_of("scalper")
    url = reverse("console:parameters-propose", args=[config.pk]) + "?category=Climate+and+Weather"
    assert "inherits what holds everywhere" in client.get(url).content.decode()
    assert client.post(url, {"min_spread": "0.01", "reason": WHY}).status_code == 302
    payload = ApprovalRequest.objects.get().payload
    assert payload["overrides"] == {"Climate and Weather": {"min_spread": "0.0100"}}
    assert payload["values"] == ParameterSet.objects.get().values
    assert client.get(url.replace("Climate+and+Weather", "Nowhere")).status_code == 404


@pytest.mark.parametrize(
    ("name", "bad"), [("KELLY_FRACTION", "0.51"), ("MM_GAMMA", "0.001"), ("min_spread", "7"), ("MM_KAPPA", "x")]
)
def test_a_value_out_of_bounds_is_marked_at_its_field(
    client_of: ClientOf, config: StrategyConfig, name: str, bad: str
) -> None:
    values = {**ParameterSet.objects.get().values, name: bad, "reason": WHY}
    response = client_of("scalper").post(reverse("console:parameters-propose", args=[config.pk]), values)
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [name]
    assert not ApprovalRequest.objects.exists()
