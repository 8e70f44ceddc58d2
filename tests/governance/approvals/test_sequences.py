"""G9: no random sequence of steps puts anything in force that was not signed for. The bench runs 10,000 of them."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from apps.governance import signatures, standing
from apps.governance.handlers import handler_for
from apps.governance.quorum import Signer
from apps.governance.services import approvals
from tests.factories import fresh_factor
from tests.governance.conftest import NumberHandler

from .acts import Team, hire
from .sequences import run_sequences

pytestmark = pytest.mark.django_db
SEQUENCES, LENGTH = 120, 30


def everybody(*, raising: bool) -> dict[int, Signer]:
    """As if everybody had every role."""
    roles = frozenset({"boss", "operations", "risk"})
    return {user.pk: Signer(user.pk, user.username, roles) for user in User.objects.all()}


@pytest.fixture
def people(team: Team) -> dict[str, User]:
    root = User.objects.create_superuser("root")
    return team | {"rita": hire("rita", "risk"), "rolf": hire("rolf", "risk"), "root": root}


def test_nothing_is_in_force_that_nobody_signed_for(people: Team, number: NumberHandler) -> None:
    counts, found = run_sequences(number, people, seeds=range(SEQUENCES), length=LENGTH)
    assert found == []
    assert counts["raised by signature"] > 5, "the sequences must also get through what is allowed"
    assert counts["rule changed"] > 0


@pytest.mark.parametrize(
    ("module", "guard", "without", "steps"),
    [
        (approvals, "require_intact", signatures.signatures_of, {"ask", "sign", "tamper"}),
        (approvals, "require_on_record", lambda request: None, {"ask", "sign", "reject", "reopen"}),
        (approvals, "require_current", lambda request: handler_for(request.action), {"ask", "sign", "glass"}),
        (approvals, "require_fresh", lambda factor, *, actor, now: fresh_factor(actor, now), {"ask", "sign"}),
        (standing, "rules_in_force", list, {"ask", "sign", "rule"}),
        (standing, "signers", everybody, {"ask", "sign", "role"}),
    ],
    ids=["intact", "on record", "base", "fresh factor", "rules", "roles"],
)
def test_the_oracle_sees_a_guard_that_is_missing(
    people: Team,
    number: NumberHandler,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    guard: str,
    without: Any,
    steps: set[str],
) -> None:
    monkeypatch.setattr(module, guard, without)
    for start in range(0, 400, 10):
        if run_sequences(number, people, seeds=range(start, start + 10), length=LENGTH, only=steps)[1]:
            return
    pytest.fail(f"no sequence noticed that {guard} is gone")


def test_without_the_guards_in_code_the_database_still_keeps_requester_and_editor_from_signing(
    people: Team, number: NumberHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(approvals, "_require_other_person", lambda request, actor: None)
    monkeypatch.setattr(standing, "barred_from", lambda request: frozenset())
    counts, found = run_sequences(
        number, people, seeds=range(SEQUENCES), length=LENGTH, only={"ask", "sign", "edit", "clock"}
    )
    assert found == []
    assert counts["applied"] > 5
