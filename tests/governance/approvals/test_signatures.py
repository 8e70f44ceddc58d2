"""A signature covers exactly what its person saw, and whoever changes any of it behind our back voids the request."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from apps.core.exceptions import NotPermitted, Refused
from apps.core.stepup import FreshFactor, StepUpNeeded
from apps.core.wording import BannedWord
from apps.governance.audit import triggers
from apps.governance.digest import digest_of, seal_of, sha256_of
from apps.governance.evidence import EvidenceLink, evidence_digest
from apps.governance.exceptions import AlreadySigned, RequestAltered, RevisionMoved, TargetChanged
from apps.governance.models import ApprovalEvidence, ApprovalRequest, ApprovalRevision, ApprovalVote, SystemEvent
from apps.governance.services import approval_apply_due, approval_withdraw
from apps.governance.services.terms import TermsNotAcknowledged, terms_publish
from apps.governance.signatures import is_genuine
from tests.factories import NOW, fresh_factor
from tests.governance.conftest import NumberHandler

from .acts import WHY, Team, ask, edit, hire, sign

pytestmark = pytest.mark.django_db
LINKS = [
    EvidenceLink("backtest", "Six months of recorded books", "run 41"),
    EvidenceLink("file", "Scenario results", "results.csv", "a" * 64),
]


@pytest.fixture
def half_signed(team: Team, number: NumberHandler, two_signers: None) -> ApprovalRequest:
    """A raise that rita (risk) has signed and craig (boss) has not; the database guards nothing meanwhile."""
    rita = hire("rita", "risk")
    request = ask(team["scalper"], evidence=LINKS)
    sign(request, rita)
    triggers.remove(connection)
    return request


def test_signature_states_everything_it_covers(team: Team, number: NumberHandler) -> None:
    request = ask(team["scalper"], evidence=LINKS)
    sign(request, team["craig"])

    vote = ApprovalVote.objects.get()
    said = json.loads(vote.statement)
    assert (said["request"], said["signer"], said["vote"], said["reason"]) == (
        request.pk,
        team["craig"].pk,
        "approve",
        WHY,
    )
    assert (said["roles"], said["at"]) == ("boss", "2026-11-20T12:00:00.000000+00:00")
    assert said["base"] == sha256_of({"value": 5})
    content = said["content"]
    assert content["rows"] == [
        {"label": "Number", "unit": "", "old": "5", "new": "9", "direction": "raises", "bounds": "0 to 999"}
    ]
    assert content["params_hash"] == sha256_of({"value": 9})
    assert content["base_version"] == request.base_version
    assert content["environment"] == ""
    assert content["evidence"] == evidence_digest(LINKS)
    assert content["expires"] == "2026-11-21T12:00:00.000000+00:00"
    assert (content["requester"], content["editor"], content["revision"]) == (*[team["scalper"].pk] * 2, 1)
    request.refresh_from_db()
    assert is_genuine(request, vote)


@pytest.mark.parametrize(
    "column",
    ["statement", "digest", "seal", "reason", "voted_at", "roles", "requester_id", "last_editor_id", "voter_id"],
)
def test_signature_with_any_column_changed_voids_the_request(
    half_signed: ApprovalRequest, team: Team, number: NumberHandler, column: str
) -> None:
    eve = team["eve"].pk
    value: Any = eve if column.endswith("_id") else NOW + timedelta(1) if column == "voted_at" else "another"
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE governance_approvalvote SET {column} = %s", [value])  # noqa: S608

    with pytest.raises(RequestAltered):
        sign(half_signed, team["craig"])

    half_signed.refresh_from_db()
    assert (half_signed.status, number.numbers["1"]) == ("void", 5)
    assert SystemEvent.objects.get(code="APPROVAL_ALTERED").details == {"request_id": half_signed.pk}


def test_signature_made_without_the_key_does_not_count(
    team: Team, number: NumberHandler, two_signers: None, settings: Any
) -> None:
    """Somebody who can write rows, knows the form, and copies the digest, but signs with another key."""
    rita, request = hire("rita", "risk"), ask(team["scalper"])
    sign(request, rita)
    vote = ApprovalVote.objects.get()
    triggers.remove(connection)
    settings.SECRET_KEY = "another key than the platform's, long enough"
    with connection.cursor() as cursor:
        cursor.execute("UPDATE governance_approvalvote SET seal = %s", [seal_of(vote.statement)])
    settings.SECRET_KEY = "the key of the platform itself, as long"

    with pytest.raises(RequestAltered):
        sign(request, team["craig"])
    assert number.numbers["1"] == 5


def test_signature_under_a_retired_key_still_counts(
    team: Team, number: NumberHandler, two_signers: None, settings: Any
) -> None:
    rita, request = hire("rita", "risk"), ask(team["scalper"])
    sign(request, rita)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the new key of the platform, long enough"

    sign(request, team["craig"])

    assert number.numbers["1"] == 9


def test_evidence_changed_after_signing_voids_the_request(
    half_signed: ApprovalRequest, team: Team, number: NumberHandler
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE governance_approvalevidence SET title = 'Better results'")
    with pytest.raises(RequestAltered):
        sign(half_signed, team["craig"])
    assert number.numbers["1"] == 5


def test_payload_swapped_together_with_its_digest_voids_what_was_signed(
    half_signed: ApprovalRequest, team: Team, number: NumberHandler
) -> None:
    half_signed.payload = {"value": 900}
    half_signed.digest = digest_of(half_signed)
    half_signed.save()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE governance_approvalrevision SET digest = %s", [half_signed.digest])

    with pytest.raises(RequestAltered):
        sign(half_signed, team["craig"])
    assert number.numbers["1"] == 5


@pytest.mark.parametrize(
    "statement", ["UPDATE governance_approvalvote SET vote = 'approve'", "DELETE FROM governance_approvalvote"]
)
def test_database_refuses_to_change_or_remove_a_signature(team: Team, number: NumberHandler, statement: str) -> None:
    sign(ask(team["scalper"]), team["craig"], "reject")
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert ApprovalVote.objects.get().vote == "reject"


@pytest.mark.parametrize("barred", ["requester", "last_editor"])
def test_database_refuses_a_signature_of_requester_and_last_editor(
    team: Team, number: NumberHandler, barred: str
) -> None:
    request = ask(team["scalper"])
    people = {"requester_id": team["scalper"].pk, "last_editor_id": team["cliff"].pk} | {
        f"{barred}_id": team["craig"].pk
    }
    columns: dict[str, Any] = {
        "request_id": request.pk,
        "revision": 1,
        "voter_id": team["craig"].pk,
        "vote": "approve",
        "roles": "boss",
        "statement": "{}",
        "digest": "0" * 64,
        "seal": "0" * 64,
        "factor": "totp",
        "reason": WHY,
        "voted_at": NOW,
    } | people
    marks = ", ".join(["%s"] * len(columns))
    insert = f"INSERT INTO governance_approvalvote ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608
    with (
        pytest.raises(IntegrityError, match=f"voter_is_not_{barred}"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(insert, list(columns.values()))


def test_one_person_signs_a_revision_once(half_signed: ApprovalRequest, team: Team, number: NumberHandler) -> None:
    rita = ApprovalVote.objects.get().voter
    with pytest.raises(AlreadySigned):
        sign(half_signed, rita)
    with pytest.raises(AlreadySigned):
        sign(half_signed, rita, "reject")
    assert ApprovalVote.objects.count() == 1


@pytest.mark.parametrize("kind", ["none", "old", "early", "of another"])
@pytest.mark.parametrize("vote", ["approve", "reject"])
def test_signing_needs_a_factor_that_is_fresh_and_ones_own(
    team: Team, number: NumberHandler, kind: str, vote: str
) -> None:
    request = ask(team["scalper"])
    factors: dict[str, FreshFactor | None] = {
        "none": None,
        "old": fresh_factor(team["craig"], NOW - timedelta(minutes=5, microseconds=1)),
        "early": fresh_factor(team["craig"], NOW + timedelta(seconds=1)),
        "of another": fresh_factor(team["cliff"]),
    }
    with pytest.raises(StepUpNeeded):
        sign(request, team["craig"], vote, factor=factors[kind])
    assert (number.numbers["1"], ApprovalVote.objects.count()) == (5, 0)
    sign(request, team["craig"], factor=fresh_factor(team["craig"], NOW - timedelta(minutes=5)))
    assert number.numbers["1"] == 9


def test_signature_for_a_revision_that_is_past_is_refused(team: Team, number: NumberHandler) -> None:
    seen = ask(team["scalper"])
    edit(seen, team["scalper"], 90)
    with pytest.raises(RevisionMoved):
        sign(seen, team["craig"])
    assert number.numbers["1"] == 5


def test_change_that_means_something_else_by_now_is_refused(team: Team, number: NumberHandler) -> None:
    request = ask(team["scalper"])
    number.bounds = "0 to 5"
    with pytest.raises(TargetChanged):
        sign(request, team["craig"])
    assert number.numbers["1"] == 5


@pytest.mark.parametrize(
    "link",
    [
        EvidenceLink("gossip", "Title", "run 1"),
        EvidenceLink("backtest", " ", "run 1"),
        EvidenceLink("backtest", "Title", ""),
        EvidenceLink("file", "Title", "results.csv"),
        EvidenceLink("file", "Title", "results.csv", "not a hash"),
        EvidenceLink("note", "T" * 161, "text"),
    ],
)
def test_evidence_nobody_could_follow_is_refused(team: Team, number: NumberHandler, link: EvidenceLink) -> None:
    with pytest.raises(Refused):
        ask(team["scalper"], evidence=[link])
    assert not ApprovalRequest.objects.exists()


def test_database_refuses_a_file_without_its_hash(team: Team, number: NumberHandler) -> None:
    request = ask(team["scalper"])
    with pytest.raises(IntegrityError, match="a_file_has_its_hash"), transaction.atomic():
        ApprovalEvidence.objects.create(request=request, revision=1, kind="file", title="Results", sha256="")


def test_role_that_was_taken_away_no_longer_signs(
    half_signed: ApprovalRequest, team: Team, number: NumberHandler
) -> None:
    rita = ApprovalVote.objects.get().voter
    rita.groups.clear()
    with pytest.raises(NotPermitted):
        sign(half_signed, rita)
    sign(half_signed, team["craig"])
    half_signed.refresh_from_db()
    assert (half_signed.status, number.numbers["1"]) == ("open", 5)


@pytest.mark.parametrize("ending", ["reject", "withdraw", "apply"])
def test_closed_request_opened_again_behind_our_back_is_void(
    team: Team, number: NumberHandler, two_signers: None, ending: str
) -> None:
    """Its signatures are genuine and the base may be as it was; the record knows that it was closed."""
    rita, rolf = hire("rita", "risk"), hire("rolf", "risk")
    request = ask(team["scalper"])
    sign(request, team["craig"])
    if ending == "withdraw":
        approval_withdraw(request_id=request.pk, reason=WHY, actor=team["scalper"], now=NOW)
    else:
        sign(request, rita, "reject" if ending == "reject" else "approve")
    number.numbers["1"] = 5
    ApprovalRequest.objects.filter(pk=request.pk).update(status="open", closed_at=None)

    with pytest.raises(RequestAltered):
        sign(request, rolf)

    assert number.numbers["1"] == 5


def test_applied_change_is_not_applied_again_by_opening_it(team: Team, number: NumberHandler) -> None:
    later = NOW + timedelta(hours=1)
    request = sign(ask(team["scalper"], apply_after=later), team["craig"])
    assert approval_apply_due(now=later) == 1
    number.numbers["1"] = 5
    ApprovalRequest.objects.filter(pk=request.pk).update(status="open", closed_at=None)
    assert approval_apply_due(now=later) == 0
    assert number.numbers["1"] == 5


def test_request_written_straight_into_the_table_under_anothers_name_is_void(team: Team, number: NumberHandler) -> None:
    """Craig could otherwise ask in Scalper's name and sign it himself."""
    own = ask(team["craig"])
    forged = ApprovalRequest.objects.get(pk=own.pk)
    forged.pk, forged.target_id = None, "2"
    forged.requester = forged.editor = team["scalper"]
    forged.current = {"value": 7}
    forged.rows[0]["old"] = "7"
    forged.digest = digest_of(forged)
    forged.save()
    ApprovalRevision.objects.create(
        request=forged,
        number=1,
        content={},
        digest=forged.digest,
        reason=WHY,
        editor=team["scalper"],
        edited_at=NOW,
    )

    with pytest.raises(RequestAltered):
        sign(forged, team["craig"])

    assert number.numbers["2"] == 7


def test_who_has_not_acknowledged_the_terms_does_not_sign(team: Team, number: NumberHandler) -> None:
    request = ask(team["scalper"])
    terms_publish(
        title="Terms", text="We trade for the firm.", valid_from=NOW, actor=None, actor_label="system:test", now=NOW
    )
    with pytest.raises(TermsNotAcknowledged):
        sign(request, team["craig"])
    assert (number.numbers["1"], ApprovalVote.objects.count()) == (5, 0)


@pytest.mark.parametrize("reason", [f"a fair {'b' + 'et'} on rain", f"the {'od' + 'ds'} are good"])
def test_words_that_are_not_of_trading_are_refused(team: Team, number: NumberHandler, reason: str) -> None:
    request = ask(team["scalper"])
    with pytest.raises(BannedWord):
        sign(request, team["craig"], reason=reason)
    with pytest.raises(BannedWord):
        ask(team["scalper"], target="2", reason=reason)
    assert (number.numbers["1"], ApprovalRequest.objects.count()) == (5, 1)
