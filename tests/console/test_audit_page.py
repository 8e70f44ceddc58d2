"""The audit page: the chain's state, its rows narrowed, and what may be pressed by whom."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from apps.core.stepup import SESSION_KEY
from apps.governance.models import AuditEvent, AuditVerification
from apps.governance.services import audit_record
from apps.governance.services.audit_anchors import audit_anchor
from apps.governance.services.audit_verification import audit_verify
from tests.factories import NOW
from tests.people import client_of, team  # noqa: F401  fixtures
from tests.record_guards import record_unguarded

pytestmark = pytest.mark.django_db
PAGE, VERIFY, EXPORT = "/audit/", "/audit/verify/", "/audit/export/"
REASON = {"reason": "asked for by the yearly review"}
Make = Callable[[str], Client]


@pytest.fixture(autouse=True)
def places(settings: Any, tmp_path: Path) -> list[Path]:
    found = [tmp_path / "here", tmp_path / "there"]
    settings.AUDIT_ANCHOR_PLACES = [str(path) for path in found]
    settings.AUDIT_KEY_FILE = tmp_path / "key" / "audit.pem"
    return found


def change(number: int, **fields: Any) -> AuditEvent:
    return audit_record(
        **{
            "actor": None,
            "actor_label": "system:test",
            "action": "risk.limit.change",
            "obj_type": "risk.RiskLimit",
            "obj_id": number,
            "before": {"value": "10"},
            "after": {"value": "20", "unit": "$"},
            "reason": "the spread has widened",
            "now": NOW + timedelta(seconds=number),
            **fields,
        }
    )


def html_of(client: Client, **query: Any) -> str:
    response = client.get(PAGE, query)
    assert response.status_code == 200
    return response.content.decode()


def shown(client: Client, **query: Any) -> list[int]:
    return [line.event.sequence for line in client.get(PAGE, query).context["found"].rows]


def test_the_pages_addresses() -> None:
    assert (reverse("console:audit"), reverse("console:audit-verify"), reverse("console:audit-export")) == (
        PAGE, VERIFY, EXPORT,
    )  # fmt: skip


def test_the_state_is_shown_and_the_window_stated(client_of: Make, places: list[Path]) -> None:  # noqa: F811
    client = client_of("viewer")
    height = change(1).sequence
    audit_anchor(now=NOW, even_if_young=True)
    audit_verify(now=NOW, actor_label="system:nightly")
    change(2)
    html = html_of(client)
    assert f'<p class="big num">{height + 1}</p>' in html
    assert "1 row since" in html
    assert "Intact" in html
    assert "by system:nightly" in html
    assert all(str(path) in html for path in places)
    assert "at most 100 rows or 60 seconds" in html


def test_a_row_opens_to_before_and_after(client_of: Make) -> None:  # noqa: F811
    row = change(7, request_id="request-4711")
    html = html_of(client_of("viewer"))
    assert "<summary>value, unit</summary>" in html
    assert '<td class="words">10</td><td class="words"><b>20</b></td>' in html
    assert row.hash in html
    assert "request-4711" in html
    assert 'href="/audit/?object=risk.RiskLimit%3A7"' in html


def test_rows_are_narrowed(client_of: Make, team: dict[str, Any]) -> None:  # noqa: F811
    client = client_of("viewer")
    mine = change(1, actor=team["cliff"], actor_label=None)
    kill = change(2, action="risk.kill_switch.trip", obj_type="risk.TradingState", obj_id="5")
    old = change(3, now=NOW - timedelta(days=3))
    day = f"{NOW - timedelta(days=3):%Y-%m-%d}"
    assert shown(client, actor="cliff") == [mine.sequence]
    assert shown(client, action="risk.kill") == [kill.sequence]
    assert shown(client, object="risk.TradingState:5") == [kill.sequence]
    assert shown(client, start=day, end=day) == [old.sequence]
    assert shown(client, object="risk.TradingState:6") == []
    assert old.sequence not in shown(client, start=f"{NOW:%Y-%m-%d}")


def test_a_filter_that_cannot_be_is_complained_of(client_of: Make) -> None:  # noqa: F811
    change(1)
    assert "A kind and an id" in html_of(client_of("viewer"), object="risk.RiskLimit")
    assert "Enter a valid date" in html_of(client_of("viewer"), start="yesterday")


def test_one_objects_trail_has_its_own_heading(client_of: Make) -> None:  # noqa: F811
    change(7)
    html = html_of(client_of("viewer"), object="risk.RiskLimit:7")
    assert "trail of risk.RiskLimit 7" in html
    assert "Signed heads" not in html


def test_older_rows_are_a_page_away(client_of: Make) -> None:  # noqa: F811
    client = client_of("viewer")
    last = [change(number) for number in range(60)][-1].sequence
    assert shown(client) == list(range(last, last - 50, -1))
    assert f"before={last - 49}" in html_of(client)
    assert shown(client, before=last - 49)[0] == last - 50


def test_the_page_asks_no_more_for_more_rows(
    client_of: Make,  # noqa: F811
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    client = client_of("viewer")
    for number in range(50):
        change(number)
    audit_verify(now=NOW, actor_label="system:test")
    client.get(PAGE)
    with django_assert_max_num_queries(16):
        client.get(PAGE)


def test_what_was_recorded_cannot_become_markup(client_of: Make) -> None:  # noqa: F811
    change(1, reason="<script>alert(1)</script>", after={"<b>": "<i>"}, obj_id='"><script>')
    assert "<script>alert" not in html_of(client_of("viewer"))
    assert "<i>" not in html_of(client_of("viewer"))


# Verifying


def test_anybody_who_may_look_may_verify_and_the_run_is_theirs(client_of: Make) -> None:  # noqa: F811
    change(1)
    client = client_of("viewer")
    assert client.post(VERIFY).status_code == 302
    run = AuditVerification.objects.get()
    assert (run.result, run.scope, run.actor_label) == ("intact", "full", "viewer")


def test_a_direct_edit_is_found_and_shown(client_of: Make) -> None:  # noqa: F811
    row = change(1)
    client = client_of("viewer")
    with record_unguarded(), connection.cursor() as cursor:
        cursor.execute("UPDATE governance_auditevent SET reason = 'x' WHERE sequence = %s", [row.sequence])
    client.post(VERIFY)
    html = html_of(client)
    assert "The record is not as it was written" in html
    assert f"Row {row.sequence} was edited" in html
    assert "Broken" in html


@pytest.mark.parametrize(("url", "name"), [(VERIFY, "eve"), (EXPORT, "viewer"), (EXPORT, "eve"), (EXPORT, "cliff")])
def test_who_may_not_changes_nothing(client_of: Make, url: str, name: str) -> None:  # noqa: F811
    change(1)
    client, before = client_of(name), AuditEvent.objects.count()
    assert client_of("").post(url, REASON)["Location"].startswith("/sign-in/")
    assert client_of("outsider").post(url, REASON).status_code == 403
    assert client.post(url, REASON).status_code == 403
    assert client.get(url).status_code in (403, 405)
    assert not AuditVerification.objects.exists()
    assert AuditEvent.objects.count() == before


def test_who_has_no_role_does_not_see_the_record(client_of: Make) -> None:  # noqa: F811
    assert client_of("").get(PAGE).status_code == 302
    assert client_of("eve").get(PAGE).status_code == 403


# Handing out


def test_the_boss_downloads_the_bundle_with_a_fresh_factor(client_of: Make) -> None:  # noqa: F811
    change(1)
    response = client_of("craig").post(EXPORT, REASON)
    assert response.status_code == 200
    assert response["Content-Type"] == "application/zip"
    assert 'filename="audit-' in response["Content-Disposition"]
    with ZipFile(BytesIO(b"".join(response.streaming_content))) as archive:
        assert "verify_audit.py" in archive.namelist()
    event = AuditEvent.objects.get(action="audit.export")
    assert (event.actor_label, event.reason) == ("craig", REASON["reason"])
    assert event.request_id == response["X-Request-ID"]


def test_without_a_fresh_factor_it_asks_for_one_first(client_of: Make) -> None:  # noqa: F811
    client = client_of("craig")
    session = client.session
    session[SESSION_KEY]["at"] = (NOW - timedelta(minutes=6)).isoformat()
    session.save()
    response = client.post(EXPORT, REASON)
    assert response.status_code == 302
    assert response["Location"].startswith("/step-up/")
    assert not AuditEvent.objects.filter(action="audit.export").exists()


@pytest.mark.parametrize("reason", ["", "because"])
def test_without_a_reason_it_is_asked_again(client_of: Make, reason: str) -> None:  # noqa: F811
    response = client_of("craig").post(EXPORT, {"reason": reason})
    assert response.status_code == 422
    assert "reason" in response.content.decode().lower()
    assert not AuditEvent.objects.filter(action="audit.export").exists()


def test_who_may_not_export_is_told_who_may(client_of: Make) -> None:  # noqa: F811
    assert "Risk and compliance, and the boss" in html_of(client_of("viewer"))
    assert "Download rows" in html_of(client_of("craig"))
