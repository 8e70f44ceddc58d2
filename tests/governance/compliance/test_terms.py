"""Terms and attestations: nobody signs or orders by hand without them, and both are for oneself only."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from apps.core.exceptions import ApplicationError, Conflict, NotPermitted, Refused
from apps.core.wording import BannedWord
from apps.governance.compliance_selectors import attestation_in_force, terms_in_force, terms_missing, terms_people
from apps.governance.models import AuditEvent, EmploymentAttestation, TermsAcknowledgement, TermsVersion
from apps.governance.services.attestations import AttestationMissing, attestation_make
from apps.governance.services.terms import (
    TermsNotAcknowledged,
    terms_acknowledge,
    terms_hash,
    terms_publish,
    terms_require,
)
from apps.risk.exceptions import BadScope
from apps.risk.models import RestrictedMarket
from apps.risk.selectors import restricted_reason
from apps.risk.services.restrictions import restriction_add
from apps.trading.models import OrderRequest
from apps.trading.services.manual_orders import Wanted, order_request_place
from tests import factories as make
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def published(by: User, **fields: Any) -> TermsVersion:
    values = {"title": "House rules", "text": "Trade nothing you know too much about.", "valid_from": NOW} | fields
    return terms_publish(actor=by, now=NOW, **values)


def by_hand(who: User, environment: str = "simulated") -> OrderRequest:
    return order_request_place(
        account=make.account(environment, environment=environment),
        wanted=Wanted(make.market(), "bid", Decimal("0.55"), Decimal(5)),
        reason="closing the gap before noon",
        no_inside_information=True,
        actor=who,
        now=NOW,
    )


def attest(who: User, *restricted: tuple[str, str], **fields: Any) -> EmploymentAttestation:
    values = {"employer": "a weather service", "now": NOW} | fields
    return attestation_make(restricted=restricted, restrict=restriction_add, actor=who, **values)


def test_a_version_carries_the_hash_of_its_text_and_the_next_number(team: dict[str, User]) -> None:
    first = published(team["craig"])
    second = published(team["craig"], text="Trade nothing you know too much about.\nAsk first.")
    assert (first.number, second.number) == (1, 2)
    assert first.text_hash == terms_hash(first.text) != second.text_hash
    assert AuditEvent.objects.filter(action="compliance.terms.publish").count() == 2


@pytest.mark.parametrize(
    "wrong",
    [{"text": " "}, {"title": ""}, {"valid_from": NOW - timedelta(days=1)}, {"text": "no " + "g" + "ambling here"}],
    ids=str,
)
def test_terms_that_cannot_be(team: dict[str, User], wrong: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        published(team["craig"], **wrong)
    assert not TermsVersion.objects.exists()


def test_the_same_text_again_is_refused(team: dict[str, User]) -> None:
    published(team["craig"])
    with pytest.raises(Refused, match="newest"):
        published(team["craig"])


@pytest.mark.parametrize("name", ["scalper", "cliff", "viewer", "eve"])
def test_who_may_not_publish(team: dict[str, User], name: str) -> None:
    with pytest.raises(NotPermitted):
        published(team[name])
    assert not TermsVersion.objects.exists()


def test_before_any_terms_nothing_is_missing_and_a_version_waits_for_its_day(team: dict[str, User]) -> None:
    assert terms_missing(team["scalper"], now=NOW) is None
    later = published(team["craig"], valid_from=NOW + timedelta(days=3))
    assert terms_in_force(now=NOW) is None
    terms_require(team["scalper"], now=NOW)
    assert terms_missing(team["scalper"], now=NOW + timedelta(days=3)) == later


def test_no_order_by_hand_without_the_version_in_force(team: dict[str, User]) -> None:
    first = published(team["craig"])
    with pytest.raises(TermsNotAcknowledged, match="House rules, version 1"):
        by_hand(team["scalper"])
    assert not OrderRequest.objects.exists()
    terms_acknowledge(version_id=first.pk, actor=team["scalper"], now=NOW)
    by_hand(team["scalper"])
    published(team["craig"], text="A new text that nobody has read yet.")
    with pytest.raises(TermsNotAcknowledged, match="version 2"):
        by_hand(team["scalper"])
    assert OrderRequest.objects.count() == 1


def test_acknowledging_is_recorded_once_and_for_the_version_in_force_only(team: dict[str, User]) -> None:
    first = published(team["craig"])
    row = terms_acknowledge(version_id=first.pk, actor=team["scalper"], now=NOW)
    again = terms_acknowledge(version_id=first.pk, actor=team["scalper"], now=NOW + timedelta(days=1))
    assert (row.pk, row.text_hash, again.acknowledged_at) == (again.pk, first.text_hash, NOW)
    assert AuditEvent.objects.filter(action="compliance.terms.acknowledge").count() == 1
    published(team["craig"], text="A new text that nobody has read yet.")
    with pytest.raises(Conflict, match="Another version"):
        terms_acknowledge(version_id=first.pk, actor=team["cliff"], now=NOW)


def test_who_has_no_role_acknowledges_nothing(team: dict[str, User]) -> None:
    first = published(team["craig"])
    with pytest.raises(NotPermitted):
        terms_acknowledge(version_id=first.pk, actor=team["eve"], now=NOW)
    assert not TermsAcknowledgement.objects.exists()


def test_a_text_altered_in_the_database_is_not_acknowledged(team: dict[str, User]) -> None:
    first = published(team["craig"])
    with connection.cursor() as cursor:
        cursor.execute("UPDATE governance_termsversion SET text = %s", ["Do as you like."])
    with pytest.raises(Conflict, match="altered"):
        terms_acknowledge(version_id=first.pk, actor=team["scalper"], now=NOW)


def test_the_list_of_people_says_who_is_missing(team: dict[str, User]) -> None:
    version = published(team["craig"])
    terms_acknowledge(version_id=version.pk, actor=team["cliff"], now=NOW)
    attest(team["scalper"])
    rows = {row.username: row for row in terms_people(version=version, now=NOW)}
    assert (rows["cliff"].acknowledged_at, rows["craig"].acknowledged_at) == (NOW, None)
    assert rows["scalper"].attested_until == NOW + timedelta(days=365)


def test_an_attestation_bars_its_markets_for_that_person_and_nobody_else(team: dict[str, User]) -> None:
    row = attest(team["scalper"], ("series", "KXHIGHNY"), ("series", "KXHIGHNY"), ("category", "Weather"))
    assert row.restricted == [["series", "KXHIGHNY"], ["category", "Weather"]]
    assert set(RestrictedMarket.objects.values_list("scope_id", "user__username")) == {
        ("KXHIGHNY", "scalper"), ("Weather", "scalper"),
    }  # fmt: skip
    assert restricted_reason(user=team["scalper"], series="KXHIGHNY") is not None
    assert restricted_reason(user=team["cliff"], series="KXHIGHNY") is None


def test_one_that_stands_already_is_no_obstacle_and_a_bad_one_undoes_all(team: dict[str, User]) -> None:
    attest(team["scalper"], ("series", "KXHIGHNY"))
    attest(team["scalper"], ("series", "KXHIGHNY"), ("market", "KXRAIN-1"), now=NOW + timedelta(days=300))
    assert RestrictedMarket.objects.count() == 2
    for wrong in (("everything", "x"), ("series", ""), ("account", "main")):
        with pytest.raises(BadScope):
            attest(team["cliff"], ("series", "KXNEW"), wrong)
    assert EmploymentAttestation.objects.filter(user=team["cliff"]).count() == 0
    assert not RestrictedMarket.objects.filter(scope_id="KXNEW").exists()


def test_an_attestation_runs_out_after_a_year(team: dict[str, User]) -> None:
    attest(team["scalper"])
    last = NOW + timedelta(days=365)
    assert attestation_in_force(team["scalper"], now=last - timedelta(seconds=1)) is not None
    assert attestation_in_force(team["scalper"], now=last) is None


def test_a_live_order_by_hand_needs_a_valid_attestation(team: dict[str, User]) -> None:
    by_hand(team["scalper"], "demo")
    with pytest.raises(AttestationMissing):
        by_hand(team["scalper"], "live")
    attest(team["scalper"])
    assert by_hand(team["scalper"], "live").no_inside_information


def test_the_confirmation_is_audited_and_an_order_without_it_is_not_stored(team: dict[str, User]) -> None:
    row = by_hand(team["scalper"])
    record = AuditEvent.objects.get(action="trading.manual_order.place")
    assert (record.object_id, record.after["no_inside_information"]) == (str(row.pk), True)
    with pytest.raises(Refused, match="not public"):
        order_request_place(
            account=make.account(),
            wanted=Wanted(make.market(), "bid", Decimal("0.55"), Decimal(5)),
            reason="closing the gap before noon",
            no_inside_information=False,
            actor=team["scalper"],
            now=NOW,
        )
    assert OrderRequest.objects.count() == 1


@pytest.mark.parametrize("employer", ["", "  ", "The " + "O" + "dds Company"])
def test_an_employer_is_named_in_plain_words(team: dict[str, User], employer: str) -> None:
    with pytest.raises((Refused, BannedWord)):
        attest(team["scalper"], employer=employer)
    assert not EmploymentAttestation.objects.exists()


def test_who_has_no_role_attests_nothing(team: dict[str, User]) -> None:
    with pytest.raises(NotPermitted):
        attest(team["eve"])


def test_facts_stay(team: dict[str, User]) -> None:
    version = published(team["craig"])
    terms_acknowledge(version_id=version.pk, actor=team["cliff"], now=NOW)
    attest(team["cliff"])
    for model in (TermsVersion, TermsAcknowledgement, EmploymentAttestation):
        with pytest.raises(ApplicationError):
            model.objects.all().delete()
