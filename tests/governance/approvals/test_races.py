"""Two people, or two clicks, at the same moment: one outcome, as if one had come after the other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connections

from apps.core.exceptions import ApplicationError
from apps.governance.models import ApprovalRequest, ApprovalRevision, ApprovalVote, AuditEvent
from apps.governance.services import approval_edit, approval_withdraw
from apps.risk.models import RiskLimit
from apps.risk.services import limit_change_request
from tests.factories import NOW

from .acts import WHY, Team, hire, sign

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 4


@pytest.fixture
def asked(team: Team) -> ApprovalRequest:
    """Scalper asks to raise a limit from 500 to 600."""
    RiskLimit.objects.create(
        scope="account", scope_id="main", rule="max_order_dollars", value=Decimal(500), version=1, updated_at=NOW
    )
    return limit_change_request(
        scope="account",
        scope_id="main",
        rule="max_order_dollars",
        value="600",
        reason=WHY,
        actor=team["scalper"],
        now=NOW,
    )


def at_once(*steps: Callable[[], object]) -> list[str]:
    """Runs the steps on threads of their own from one starting gun; "done" or the code of what each met."""
    gun = Barrier(len(steps))

    def run(step: Callable[[], object]) -> str:
        try:
            gun.wait(10)
            step()
            return "done"
        except ApplicationError as error:
            return error.code
        except OperationalError:
            return "database_busy"
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(steps)) as pool:
        return list(pool.map(run, steps))


def applied() -> int:
    return AuditEvent.objects.filter(action="risk.limit.change").count()


def test_double_click_signs_and_applies_once(team: Team, asked: ApprovalRequest) -> None:
    met = at_once(*[lambda: sign(asked, team["craig"])] * ROUNDS)
    assert met.count("done") == 1
    assert (applied(), ApprovalVote.objects.count()) == (1, 1)
    assert RiskLimit.objects.get().value == 600


def test_two_signers_at_once_apply_once(team: Team, asked: ApprovalRequest) -> None:
    other = hire("bruno", "boss")
    met = at_once(lambda: sign(asked, team["craig"]), lambda: sign(asked, other))
    assert met.count("done") == 1
    assert (applied(), ApprovalVote.objects.count(), RiskLimit.objects.get().version) == (1, 1, 2)


def test_signature_and_rejection_at_once_leave_one_of_them(team: Team, asked: ApprovalRequest) -> None:
    met = at_once(lambda: sign(asked, team["craig"]), lambda: sign(asked, team["cliff"], "reject"))
    assert met.count("done") == 1
    asked.refresh_from_db()
    assert (asked.status, applied()) in (("applied", 1), ("rejected", 0))


@pytest.mark.parametrize("editor", ["cliff", "scalper"])
def test_edit_while_signing_never_applies_what_was_not_signed(team: Team, asked: ApprovalRequest, editor: str) -> None:
    met = at_once(lambda: sign(asked, team["craig"]), lambda: edit_to(asked, team[editor], "900"))
    assert "done" in met
    value = RiskLimit.objects.get().value
    asked.refresh_from_db()
    assert (asked.status, asked.revision, value) in (("applied", 1, 600), ("open", 2, 500))


def test_two_edits_at_once_make_one_revision(team: Team, asked: ApprovalRequest) -> None:
    met = at_once(
        lambda: edit_to(asked, team["cliff"], "700"),
        lambda: edit_to(asked, team["scalper"], "800"),
    )
    assert met.count("done") == 1
    assert ApprovalRevision.objects.count() == 2


def test_withdrawal_and_signature_at_once_leave_one_of_them(team: Team, asked: ApprovalRequest) -> None:
    met = at_once(
        lambda: sign(asked, team["craig"]),
        lambda: approval_withdraw(request_id=asked.pk, reason=WHY, actor=team["scalper"], now=NOW),
    )
    assert met.count("done") == 1
    asked.refresh_from_db()
    assert (asked.status, applied()) in (("applied", 1), ("withdrawn", 0))


def edit_to(asked: ApprovalRequest, actor: User, value: str) -> ApprovalRequest:
    return approval_edit(request_id=asked.pk, revision=1, values={"value": value}, reason=WHY, actor=actor, now=NOW)
