"""Writing the record: numbers without gaps, one writer at a time, and a database that refuses to forget."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, connections, transaction
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from apps.core.request_ids import RequestIdMiddleware, current_request_id
from apps.governance.audit import triggers
from apps.governance.audit.chain import GENESIS
from apps.governance.audit.errors import AuditBlocked
from apps.governance.audit.verification import verify
from apps.governance.audit_selectors import chain_entries, chain_head
from apps.governance.models import AuditEvent, AuditHead, SystemEvent
from apps.governance.services import system_event_record
from tests.factories import NOW
from tests.record_guards import record_unguarded

Write = Callable[..., list[AuditEvent]]


def is_intact() -> bool:
    return verify(chain_entries(), head=chain_head()).is_intact


@pytest.mark.django_db
def test_each_row_stands_on_the_one_before(record: Write) -> None:
    first, second = record(2)
    assert (first.sequence, first.previous_hash) == (1, GENESIS)
    assert (second.sequence, second.previous_hash) == (2, first.hash)
    assert chain_head() == (2, second.hash)
    assert is_intact()


@pytest.mark.django_db
def test_what_is_read_back_has_the_hash_that_was_written(record: Write) -> None:
    """Microseconds, large and odd numbers, other scripts: both databases keep them as they were hashed."""
    odd = {
        "float": 0.1, "huge": 1e22, "big": 2**70, "nan": float("nan"), "money": Decimal("10.00"),
        "text": "Zürich “北京” 🙂\n",
        "nested": {"b": [1, None, True, {"c": Decimal("0.3000")}], "a": datetime(2026, 1, 2, 3, 4, 5, 678, NOW.tzinfo)},
        "": "empty name", "nul": "a\x00b", "half": "\ud800", 5: "number as a name",
    }  # fmt: skip
    (row,) = record(1, before=odd, after={}, now=NOW.replace(microsecond=7), reason="nul \x00 in a reason")
    row.refresh_from_db()
    assert row.before["float"] == "0.1"
    assert row.before["money"] == "10.00"
    assert row.before["big"] == 2**70
    assert is_intact()


@pytest.mark.django_db
def test_secrets_and_personal_data_do_not_get_in(record: Write, settings: Any) -> None:
    settings.SECRET_KEY = "canary-of-the-signing-key"
    before = {"email": "a@example.org", "note": f"key is {settings.SECRET_KEY}", "tokens": 7}
    after = {"password": "hunter2", "totp_secret": 314159, "email": "a@example.org", "first_name": "Ann", "value": "1"}
    (row,) = record(1, before=before, after=after, reason=f"pasted {settings.SECRET_KEY}")
    row.refresh_from_db()
    stored = f"{row.before}{row.after}{row.reason}"
    assert not any(text in stored for text in ("example.org", "canary", "hunter2", "314159", "Ann"))
    assert row.before["tokens"] == 7
    assert row.before["email"] == row.after["email"]
    assert row.after["value"] == "1"
    assert is_intact()


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_leaves_no_gap(record: Write) -> None:
    record(1)
    with transaction.atomic():
        record(3)
        transaction.set_rollback(True)
    (row,) = record(1)
    assert row.sequence == 2
    assert is_intact()


@pytest.mark.django_db(transaction=True)
def test_writers_take_turns(record: Write) -> None:
    """Transactions that write at the same time: no number is used twice, none is left out."""
    record(1)
    writers, rows, failures = 4, 5, []
    barrier = threading.Barrier(writers)

    def work() -> None:
        try:
            barrier.wait(10)
            for _ in range(rows):
                with transaction.atomic():
                    record(2)
        except (DatabaseError, threading.BrokenBarrierError) as error:
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    total = 1 + writers * rows * 2
    assert list(AuditEvent.objects.order_by("sequence").values_list("sequence", flat=True)) == [*range(1, total + 1)]
    assert is_intact()


@pytest.mark.django_db
def test_a_row_costs_three_queries(record: Write, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    record(1)
    with transaction.atomic(), django_assert_num_queries(3):
        record(1)


@pytest.mark.django_db
def test_without_its_head_nothing_is_added_to_a_chain(record: Write) -> None:
    record(1)
    with record_unguarded():
        AuditHead.objects.all().delete()
    with pytest.raises(AuditBlocked), transaction.atomic():
        record(1)
    assert AuditEvent.objects.count() == 1


STATEMENTS = [
    "UPDATE governance_auditevent SET reason = 'nothing happened'",
    "UPDATE governance_auditevent SET sequence = sequence + 100",
    "DELETE FROM governance_auditevent WHERE sequence = 2",
    "UPDATE governance_audithead SET sequence = 1",
    "UPDATE governance_audithead SET hash = 'f'",
    "DELETE FROM governance_audithead",
    "UPDATE governance_systemevent SET message = 'nothing happened'",
    "DELETE FROM governance_systemevent",
]
ONLY = {
    "postgresql": [
        "TRUNCATE governance_auditevent CASCADE",
        "TRUNCATE governance_audithead CASCADE",
        "TRUNCATE governance_systemevent CASCADE",
    ],
    "sqlite": [
        "REPLACE INTO governance_auditevent SELECT * FROM governance_auditevent WHERE sequence = 1",
        "INSERT OR REPLACE INTO governance_audithead SELECT id, 0, hash FROM governance_audithead",
    ],
}


@pytest.mark.django_db
@pytest.mark.parametrize("statement", STATEMENTS + ONLY[connection.vendor])
def test_direct_sql_is_refused(record: Write, statement: str) -> None:
    record(3)
    system_event_record(code="DESYNC", severity="warning", source="test", message="gap", now=NOW)
    if connection.vendor == "postgresql":  # checks that are still to be made would refuse a TRUNCATE by themselves
        connection.check_constraints()
    refused = pytest.raises(DatabaseError, match="never changed or removed")
    with refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert AuditEvent.objects.count() == 3
    assert SystemEvent.objects.get().message == "gap"
    assert is_intact()


@pytest.mark.django_db
def test_triggers_that_are_gone_are_missed_and_put_back() -> None:
    assert triggers.missing_triggers(connection) == []
    kind = " ON governance_auditevent" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER governance_auditevent_no_delete{kind}")
    assert triggers.missing_triggers(connection) == ["governance_auditevent_no_delete"]
    assert triggers.install(connection) == ["governance_auditevent_no_delete"]
    assert triggers.missing_triggers(connection) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("offered", "is_kept"),
    [("proxy-4711-abcdef", True), ("", False), ("short", False), ("a" * 65, False), ("two\nlines-of-text", False)],
)
def test_what_a_request_does_carries_its_id(rf: Any, record: Write, offered: str, is_kept: bool) -> None:
    def view(request: Any) -> Any:
        record(2)
        return {}

    request = rf.get("/", headers={"X-Request-ID": offered} if offered else {})
    response = RequestIdMiddleware(view)(request)
    assert (response["X-Request-ID"] == offered) is is_kept
    assert set(AuditEvent.objects.values_list("request_id", flat=True)) == {response["X-Request-ID"]}
    assert current_request_id() == ""


@pytest.mark.django_db
def test_the_callers_own_id_comes_first(record: Write) -> None:
    (row,) = record(1, request_id="kill-0001")
    assert row.request_id == "kill-0001"


@pytest.mark.django_db
def test_every_answer_names_its_request(client: Client) -> None:
    assert len(client.get("/favicon.ico")["X-Request-ID"]) == 32


@pytest.mark.django_db
def test_an_actor_is_part_of_the_chain(record: Write) -> None:
    person = User.objects.create_user("craig")
    (row,) = record(1, actor=person, actor_label=None)
    assert (row.actor, row.actor_label) == (person, "craig")
    assert is_intact()
