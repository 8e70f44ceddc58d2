"""Decision code is found, reviewed by a person by its hash, and only then armed outside the simulator."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction

from apps.core.exceptions import Refused
from apps.engine.strategies.registry import STRATEGIES
from apps.governance.exceptions import ApproverIsRequester
from apps.governance.models import AuditEvent
from apps.trading.exceptions import CodeMismatch
from apps.trading.execution.armed import load_armed
from apps.trading.models import ParameterName, StrategyConfig, StrategyVersion
from apps.trading.services.parameters import parameters_propose
from apps.trading.services.versions import (
    CodeNotHere,
    NameReused,
    names_note,
    version_review_propose,
    versions_register,
)
from tests import factories
from tests.factories import NOW
from tests.trading.harness import arrange

from .steps import WHY, review, sign

pytestmark = pytest.mark.django_db
Team = dict[str, User]


def test_what_this_release_ships_is_found_once_and_unreviewed() -> None:
    new = versions_register(now=NOW)
    assert {(v.strategy.kernel, v.code_hash) for v in new} == {(k.slug, k.code_hash) for k in STRATEGIES.values()}
    assert all(not v.is_reviewed and len(v.schema_hash) == 64 for v in new)
    assert versions_register(now=NOW) == []
    assert AuditEvent.objects.filter(action="trading.strategy_version.found").count() == len(new)


def test_command_lists_every_version_with_its_reviewer() -> None:
    out = StringIO()
    call_command("strategy_register", stdout=out)
    assert f"{STRATEGIES['maker_inside'].code_hash}  found now, unreviewed" in out.getvalue()


def test_a_retired_name_never_comes_back() -> None:
    names_note(now=NOW)
    ParameterName.objects.create(name="OLD_FLAG", unit="flag", first_seen_at=NOW)
    names_note(now=NOW + timedelta(days=1))
    assert ParameterName.objects.get(name="OLD_FLAG").retired_at == NOW + timedelta(days=1)

    ParameterName.objects.filter(name="maker_inside.min_spread").update(retired_at=NOW)
    with pytest.raises(NameReused, match=r"maker_inside\.min_spread was retired"):
        names_note(now=NOW)
    with pytest.raises(CommandError, match="was retired"):
        call_command("strategy_register")


def test_a_name_cannot_change_its_unit() -> None:
    names_note(now=NOW)
    ParameterName.objects.filter(name="MM_GAMMA").update(unit="cents")
    with pytest.raises(NameReused, match="give it another name"):
        names_note(now=NOW)


def test_the_one_who_signs_is_the_reviewer(team: Team, config: StrategyConfig) -> None:
    version = config.version
    review(version, team, "KXTEST")
    assert (version.reviewed_by, version.reviewed_at, version.scope, version.execution_styles) == (
        team["craig"], NOW, ["KXTEST"], ["maker"],
    )  # fmt: skip
    assert version.approval is not None
    event = AuditEvent.objects.get(action="trading.version.approve")
    assert event.after is not None
    assert (event.actor, event.after["code_hash"]) == (team["craig"], version.code_hash)
    config.refresh_from_db()
    assert config.updated_at == NOW


def test_nobody_reviews_code_they_put_forward(team: Team, config: StrategyConfig) -> None:
    request = version_review_propose(
        version=config.version, scope=["KXTEST"], execution_styles=["maker"], reason=WHY, actor=team["craig"], now=NOW
    )
    with pytest.raises(ApproverIsRequester):
        sign(request, team["craig"])
    config.version.refresh_from_db()
    assert not config.version.is_reviewed


@pytest.mark.parametrize(
    ("scope", "styles", "code"), [((), ("maker",), "no_scope"), (("KXTEST",), ("fast",), "unknown_style")]
)
def test_a_review_says_what_it_covers(
    team: Team, config: StrategyConfig, scope: tuple[str, ...], styles: tuple[str, ...], code: str
) -> None:
    with pytest.raises(Refused) as error:
        version_review_propose(
            version=config.version, scope=scope, execution_styles=styles, reason=WHY, actor=team["scalper"], now=NOW
        )
    assert error.value.code == code


def test_code_that_is_not_here_cannot_be_reviewed(team: Team, config: StrategyConfig) -> None:
    StrategyVersion.objects.update(code_hash="0" * 64)
    config.version.refresh_from_db()
    with pytest.raises(CodeNotHere):
        version_review_propose(
            version=config.version, scope=["KXTEST"], execution_styles=["maker"], reason=WHY, actor=team["scalper"],
            now=NOW,
        )  # fmt: skip


def test_the_database_knows_no_review_without_reviewer_and_request(config: StrategyConfig) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        StrategyVersion.objects.filter(pk=config.version_id).update(reviewed_at=NOW)


def test_a_style_that_was_not_reviewed_cannot_be_proposed(team: Team, config: StrategyConfig) -> None:
    review(config.version, team)
    config.refresh_from_db()
    with pytest.raises(Refused) as error:
        parameters_propose(
            config=config, values={"ENABLE_MARKET_MAKING": "off"}, reason=WHY, actor=team["scalper"], now=NOW
        )
    assert error.value.code == "style_not_reviewed"


@pytest.mark.parametrize("environment", ["paper", "demo", "live"])
def test_outside_the_simulator_code_without_review_or_arming_is_not_loaded(environment: str) -> None:
    account = arrange()
    account.environment = environment
    account.save()
    with pytest.raises(CodeMismatch, match="not armed by an approval, or its code has no reviewer"):
        load_armed(account=account, now=NOW)


def test_on_the_simulator_it_runs_unreviewed() -> None:
    account = arrange()
    assert not factories.config(account).version.is_reviewed
    assert load_armed(account=account, now=NOW)
