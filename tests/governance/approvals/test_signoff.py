"""The table of needed signatures is itself under signature, its first row included."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction

from apps.core.exceptions import NotPermitted, Refused
from apps.governance.exceptions import NoApprover
from apps.governance.models import ApprovalRequest, SignoffRule, SystemEvent
from apps.governance.selectors import approval_standing, signoff_is_as_signed
from apps.governance.services import signoff_change_request, signoff_verify
from apps.governance.standing import needs_of
from tests.factories import NOW
from tests.governance.conftest import ACTION, NumberHandler

from .acts import WHY, Team, ask, hire, sign

pytestmark = pytest.mark.django_db


def ask_rule(
    actor: User, needs: dict[str, int] | None, action: str = ACTION, environment: str = "", direction: str = "raises"
) -> ApprovalRequest:
    return signoff_change_request(
        action=action, environment=environment, direction=direction, needs=needs, reason=WHY, actor=actor, now=NOW
    )


@pytest.fixture
def rita(team: Team) -> User:
    return hire("rita", "risk")


@pytest.fixture
def rule(team: Team, number: NumberHandler, rita: User) -> SignoffRule:
    """Raising a number needs the risk role besides the boss."""
    sign(ask_rule(team["scalper"], {"risk": 1}), team["craig"])
    return SignoffRule.objects.get()


def test_first_rule_takes_the_built_in_signatures(team: Team, number: NumberHandler, rita: User) -> None:
    request = ask_rule(team["scalper"], {"risk": 1})
    assert not SignoffRule.objects.exists()
    for name in ("cliff",):
        with pytest.raises(NotPermitted):
            sign(request, team[name])
    with pytest.raises(NotPermitted):
        sign(request, rita)

    sign(request, team["craig"])

    rule = SignoffRule.objects.get()
    assert (rule.action, rule.direction, rule.needs, rule.approval) == (ACTION, "raises", {"risk": 1}, request)
    assert signoff_is_as_signed()


def test_rule_adds_to_what_is_built_in(team: Team, number: NumberHandler, rule: SignoffRule, rita: User) -> None:
    request = ask(team["scalper"])
    standing = approval_standing(request)
    assert standing is not None
    assert (standing.needs, {signer.name for signer in standing.able}) == ({"boss": 1, "risk": 1}, {"craig", "rita"})
    sign(request, team["craig"])
    assert number.numbers["1"] == 5
    sign(request, rita)
    assert number.numbers["1"] == 9


def test_rule_does_not_touch_what_it_does_not_match(team: Team, number: NumberHandler, rule: SignoffRule) -> None:
    other = ask_rule(team["scalper"], None)
    assert needs_of(other) == {"boss": 1}


def test_rule_for_the_rules_binds_the_next_change_of_them(team: Team, number: NumberHandler, rita: User) -> None:
    sign(ask_rule(team["scalper"], {"risk": 1}, action="governance.*", direction=""), team["craig"])
    request = ask_rule(team["scalper"], None, action="governance.*", direction="")
    sign(request, team["craig"])
    assert SignoffRule.objects.filter(retired_at=None).count() == 1
    sign(request, rita)
    assert SignoffRule.objects.filter(retired_at=None).count() == 0
    assert signoff_is_as_signed()


@pytest.mark.parametrize(
    ("environment", "of_change", "matches"),
    [("live", "live", True), ("live", "paper", False), ("live", "", True), ("", "paper", True)],
)
def test_change_that_reaches_every_environment_meets_the_rules_of_each(
    team: Team, number: NumberHandler, rita: User, environment: str, of_change: str, matches: bool
) -> None:
    sign(ask_rule(team["scalper"], {"risk": 1}, environment=environment), team["craig"])
    number.environment = lambda target_id: of_change  # type: ignore[method-assign]
    request = ask(team["scalper"])
    assert needs_of(request) == ({"boss": 1, "risk": 1} if matches else {"boss": 1})


@pytest.mark.parametrize(
    ("needs", "fields"),
    [
        ({"risk": 1}, {}),
        ({"boss": 2}, {}),
        ({"operations": 1}, {}),
        ({"viewer": 1}, {"direction": "lowers"}),
        ({}, {}),
        ({"boss": 0}, {}),
        ({"boss": 1}, {"action": "Everything!"}),
        ({"boss": 1}, {"environment": "moon"}),
        ({"boss": 1}, {"direction": "sideways"}),
        (None, {}),
    ],
    ids=str,
)
def test_rule_nobody_could_meet_or_read_is_refused(
    team: Team, number: NumberHandler, needs: Any, fields: dict[str, str]
) -> None:
    with pytest.raises(Refused):
        ask_rule(team["scalper"], needs, **fields)
    assert not ApprovalRequest.objects.exists()


def test_operations_may_be_asked_for_where_it_may_sign(team: Team, number: NumberHandler) -> None:
    sign(ask_rule(team["scalper"], {"operations": 1}, direction="neutral"), team["craig"])
    assert SignoffRule.objects.get().needs == {"operations": 1}


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM governance_signoffrule",
        "UPDATE governance_signoffrule SET retired_at = put_at",
        "UPDATE governance_signoffrule SET action = 'nothing.at.all'",
        """UPDATE governance_signoffrule SET needs = '{"boss": 1}'""",
    ],
)
def test_rule_weakened_in_the_table_alone_still_holds(
    team: Team, number: NumberHandler, rule: SignoffRule, statement: str
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)

    sign(ask(team["scalper"]), team["craig"])

    assert number.numbers["1"] == 5
    assert signoff_verify(now=NOW) is False
    assert signoff_verify(now=NOW) is False
    assert SystemEvent.objects.filter(code="SIGNOFF_ALTERED", severity="critical").count() == 1


def test_nothing_is_applied_once_the_request_behind_a_rule_was_rewritten(
    team: Team, number: NumberHandler, rule: SignoffRule
) -> None:
    ApprovalRequest.objects.filter(pk=rule.approval_id).update(payload={"needs": None})
    SignoffRule.objects.all().delete()
    with pytest.raises(Refused, match="not as it was signed"):
        ask(team["scalper"])
    assert not signoff_is_as_signed()


def test_unreadable_rule_lets_nothing_through(team: Team, number: NumberHandler, rule: SignoffRule) -> None:
    with connection.cursor() as cursor:
        cursor.execute("""UPDATE governance_signoffrule SET needs = '{"boss": 0}'""")
    with pytest.raises(Refused):
        ask(team["scalper"])


def test_request_that_a_rule_puts_out_of_reach_is_refused(
    team: Team, number: NumberHandler, rule: SignoffRule, rita: User
) -> None:
    rita.is_active = False
    rita.save()
    with pytest.raises(NoApprover):
        ask(team["scalper"])


def test_rule_that_comes_after_a_signature_counts_too(team: Team, number: NumberHandler, rita: User) -> None:
    rolf = hire("rolf", "risk")
    number.raising_needs = {"boss": 1, "risk": 1}
    request = sign(ask(team["scalper"]), team["craig"])
    sign(ask_rule(team["scalper"], {"risk": 2}), team["craig"])
    sign(request, rita)
    assert number.numbers["1"] == 5
    sign(request, rolf)
    assert number.numbers["1"] == 9


def test_database_holds_one_rule_in_force_per_key(team: Team, number: NumberHandler, rule: SignoffRule) -> None:
    other = ask(team["scalper"])
    with pytest.raises(IntegrityError, match=r"one_rule_in_force|UNIQUE"), transaction.atomic():
        SignoffRule.objects.create(action=ACTION, direction="raises", needs={"boss": 1}, approval=other, put_at=NOW)
