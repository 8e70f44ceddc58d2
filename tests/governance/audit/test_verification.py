"""Verification of the stored chain: what direct SQL did to it, told by row, kept as a run, and alarmed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from apps.governance.audit.anchors import FILE_NAME
from apps.governance.audit.chain import linked
from apps.governance.audit_selectors import chain_entries
from apps.governance.choices import AuditScope
from apps.governance.models import AuditEvent, AuditVerification, SystemEvent
from apps.governance.services.audit_anchors import audit_anchor
from apps.governance.services.audit_verification import RECENT_ROWS, audit_verify, audit_verify_if_due
from tests.factories import NOW, user
from tests.record_guards import record_unguarded

Write = Callable[..., list[AuditEvent]]
pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(minutes=5)
HEAD_BACK = (
    "UPDATE governance_audithead SET sequence = {0}, "
    "hash = (SELECT hash FROM governance_auditevent WHERE sequence = {0})"
)


def sql(*statements: str) -> None:
    with record_unguarded(), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def signed(record: Write, places: list[Path]) -> list[AuditEvent]:
    rows = record(12)
    audit_anchor(now=NOW, even_if_young=True)
    return rows


def kinds(run: AuditVerification) -> list[tuple[str, int]]:
    return [(found["kind"], found["sequence"]) for found in run.breaks]


def test_an_untouched_chain_is_intact_and_the_run_is_kept(signed: list[AuditEvent]) -> None:
    run = audit_verify(now=LATER, actor=user("craig"))
    assert (run.result, run.scope, run.rows, run.first_sequence, run.last_sequence) == ("intact", "full", 12, 1, 12)
    assert (run.anchored_through, run.actor_label, run.breaks, run.notes) == (12, "craig", [], [])
    assert not SystemEvent.objects.exists()


def test_an_empty_chain_is_intact(db: None, places: list[Path]) -> None:
    assert audit_verify(now=NOW, actor_label="system:test").result == "intact"


TAMPERED: dict[str, tuple[list[str], tuple[str, int]]] = {
    "edited": (["UPDATE governance_auditevent SET reason = 'other' WHERE sequence = 5"], ("edited", 5)),
    "a value": (['UPDATE governance_auditevent SET after = \'{"value": "9"}\' WHERE sequence = 7'], ("edited", 7)),
    "the hash": (["UPDATE governance_auditevent SET hash = previous_hash WHERE sequence = 3"], ("edited", 3)),
    "removed": (["DELETE FROM governance_auditevent WHERE sequence = 4"], ("removed", 4)),
    "several removed": (["DELETE FROM governance_auditevent WHERE sequence BETWEEN 4 AND 6"], ("removed", 4)),
    "swapped": (
        [
            "UPDATE governance_auditevent SET sequence = 999 WHERE sequence = 3",
            "UPDATE governance_auditevent SET sequence = 3 WHERE sequence = 9",
            "UPDATE governance_auditevent SET sequence = 9 WHERE sequence = 999",
        ],
        ("swapped", 3),
    ),
    "tail below the head": (["DELETE FROM governance_auditevent WHERE sequence > 10"], ("tail cut", 11)),
    "tail and head": (
        ["DELETE FROM governance_auditevent WHERE sequence > 10", HEAD_BACK.format(10)],
        ("tail cut", 11),
    ),
    "everything": (
        ["DELETE FROM governance_auditevent", "DELETE FROM governance_audithead", "DELETE FROM governance_auditanchor"],
        ("tail cut", 1),
    ),
    "a row beyond the head": (["UPDATE governance_audithead SET sequence = 11"], ("inserted", 12)),
    "the head's hash": (["UPDATE governance_audithead SET hash = 'f'"], ("head mismatch", 12)),
    "an anchor": (["UPDATE governance_auditanchor SET sequence = 11"], ("anchor forged", 11)),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_direct_sql_is_found_and_alarmed(signed: list[AuditEvent], name: str) -> None:
    statements, expected = TAMPERED[name]
    sql(*statements)
    run = audit_verify(now=LATER, actor_label="system:test")
    assert run.result == "broken"
    assert kinds(run)[0] == expected
    event = SystemEvent.objects.get(code="AUDIT_BROKEN")
    assert event.severity == "critical"
    assert event.details["verification"] == run.pk


def test_an_inserted_row_is_found(signed: list[AuditEvent]) -> None:
    """Rightly hashed, under a number of its own, with everything behind it renumbered."""
    sql(
        "UPDATE governance_auditevent SET sequence = sequence + 100 WHERE sequence > 6",
        "UPDATE governance_auditevent SET sequence = sequence - 99 WHERE sequence > 100",
        "UPDATE governance_audithead SET sequence = 13",
    )
    before = next(entry for entry in chain_entries() if entry.sequence == 6)
    forged = linked(before._replace(sequence=7, actor="craig", reason="approved"), previous=before.hash)
    AuditEvent.objects.create(
        sequence=7, previous_hash=forged.previous, hash=forged.hash, created_at=forged.at, actor_label="craig",
        action=forged.action, object_type=forged.object_type, object_id=forged.object_id, before=forged.before,
        after=forged.after, reason="approved", request_id=forged.request_id, release=forged.release,
    )  # fmt: skip
    assert kinds(audit_verify(now=LATER, actor_label="x"))[0] == ("inserted", 7)


def rewritten(first: int) -> None:
    """Row `first` changed, everything behind it hashed anew, the head moved along: the chain is right in itself."""
    previous, *rest = [entry for entry in chain_entries() if entry.sequence >= first - 1]
    with record_unguarded(), connection.cursor() as cursor:
        last = previous.hash
        for entry in rest:
            made = linked(entry._replace(reason="other" if entry.sequence == first else entry.reason), previous=last)
            cursor.execute(
                "UPDATE governance_auditevent SET reason = %s, previous_hash = %s, hash = %s WHERE sequence = %s",
                [made.reason, made.previous, made.hash, made.sequence],
            )
            last = made.hash
        cursor.execute("UPDATE governance_audithead SET hash = %s", [last])


def test_a_rewritten_chain_is_found_by_the_outside_anchors_alone(signed: list[AuditEvent], places: list[Path]) -> None:
    rewritten(8)
    sql("DELETE FROM governance_auditanchor")
    run = audit_verify(now=LATER, actor_label="system:test")
    assert set(kinds(run)) == {("anchor mismatch", 12)}
    assert str(places[0]) in run.breaks[0]["detail"]


def test_rows_younger_than_the_newest_anchor_can_be_cut_without_a_trace(
    signed: list[AuditEvent], record: Write
) -> None:
    """The window, stated plainly on the page and in the README: this is what it means."""
    record(3, start=LATER)
    sql("DELETE FROM governance_auditevent WHERE sequence > 12", HEAD_BACK.format(12))
    assert audit_verify(now=LATER, actor_label="system:test").result == "intact"


@pytest.mark.parametrize(
    ("column", "value"), [("after", "{not json"), ("created_at", "yesterday"), ("actor_id", "nobody")]
)
def test_a_row_that_cannot_be_read_is_reported_instead_of_stopping_the_walk(
    signed: list[AuditEvent], column: str, value: str
) -> None:
    if connection.vendor == "postgresql":  # its columns take nothing that cannot be read
        column, value = "request_id", "x"
    with record_unguarded(), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = ON")
        try:
            cursor.execute(f"UPDATE governance_auditevent SET {column} = %s WHERE sequence = 5", [value])  # noqa: S608
        finally:
            if connection.vendor == "sqlite":
                cursor.execute("PRAGMA ignore_check_constraints = OFF")
        cursor.execute("DELETE FROM governance_auditevent WHERE sequence = 9")
    run = audit_verify(now=LATER, actor_label="system:test")
    assert kinds(run) == [("edited", 5), ("removed", 9)]
    with record_unguarded(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM governance_auditevent WHERE sequence = 5")


def test_triggers_that_were_taken_away_are_found(signed: list[AuditEvent]) -> None:
    on = " ON governance_auditevent" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER governance_auditevent_no_update{on}")
    run = audit_verify(now=LATER, actor_label="system:test")
    assert kinds(run) == [("unguarded", 0)]
    assert "governance_auditevent_no_update" in run.breaks[0]["detail"]


def test_a_place_that_cannot_be_asked_leaves_the_verdict_open(signed: list[AuditEvent], places: list[Path]) -> None:
    (places[0] / FILE_NAME).unlink()
    run = audit_verify(now=LATER, actor_label="system:test")
    assert (run.result, run.breaks) == ("incomplete", [])
    assert run.notes == [f"{places[0]} holds no anchors"]


def test_a_forged_line_at_a_place_is_found(signed: list[AuditEvent], places: list[Path]) -> None:
    path = places[0] / FILE_NAME
    path.write_text(path.read_text().replace('"sequence":12', '"sequence":11') + "garbage\n")
    run = audit_verify(now=LATER, actor_label="system:test")
    assert ("anchor forged", 11) in kinds(run)
    assert run.notes == [f"{places[0]} holds 1 lines that are no anchors"]


def test_the_newest_rows_are_walked_from_a_signed_head(record: Write, places: list[Path]) -> None:
    for part in range(3):
        record(RECENT_ROWS // 2, start=NOW + timedelta(hours=part))
        audit_anchor(now=NOW + timedelta(hours=part + 1), even_if_young=True)
    run = audit_verify(now=LATER, scope=AuditScope.RECENT, actor_label="system:start")
    assert (run.result, run.first_sequence, run.rows) == ("intact", RECENT_ROWS // 2 + 1, RECENT_ROWS)
    sql("UPDATE governance_auditevent SET reason = 'x' WHERE sequence = 1000")
    assert audit_verify(now=LATER, scope=AuditScope.RECENT, actor_label="system:start").result == "broken"


@pytest.mark.parametrize(
    ("ran_at", "now", "is_due"),
    [
        (None, "2026-11-20T12:00", True),
        ("2026-11-20T02:01", "2026-11-20T23:00", False),
        ("2026-11-20T02:01", "2026-11-21T01:59", False),
        ("2026-11-20T02:01", "2026-11-21T02:00", True),
        ("2026-11-20T01:59", "2026-11-20T02:00", True),
    ],
)
def test_the_whole_chain_is_verified_once_a_night(
    db: None, places: list[Path], ran_at: str | None, now: str, is_due: bool
) -> None:
    if ran_at:
        audit_verify(now=datetime.fromisoformat(f"{ran_at}+00:00"), actor_label="system:test")
    assert (audit_verify_if_due(now=datetime.fromisoformat(f"{now}+00:00")) is not None) is is_due


def test_a_part_does_not_count_as_the_nightly_run(signed: list[AuditEvent]) -> None:
    audit_verify(now=LATER, scope=AuditScope.RECENT, actor_label="system:start")
    assert audit_verify_if_due(now=LATER) is not None


# The command


def run_command(*arguments: str) -> int:
    try:
        call_command("audit_verify", *arguments)
    except SystemExit as ended:
        return int(str(ended.code))
    return 0


def test_exit_codes_tell_intact_broken_and_unfinished(
    signed: list[AuditEvent], places: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command() == 0
    assert "Intact: 12 rows, 1 to 12" in capsys.readouterr().out
    kept = (places[1] / FILE_NAME).read_text()
    (places[1] / FILE_NAME).unlink()
    assert run_command() == 2
    assert "holds no anchors" in capsys.readouterr().out
    (places[1] / FILE_NAME).write_text(kept)
    sql("DELETE FROM governance_auditevent WHERE sequence = 6")
    assert run_command() == 1
    assert "removed: row 6 removed" in capsys.readouterr().out
    assert AuditVerification.objects.count() == 3


def test_since_takes_a_row_or_a_day(signed: list[AuditEvent], capsys: pytest.CaptureFixture[str]) -> None:
    def first_row(since: str) -> tuple[int, int]:
        assert run_command("--json", "--since", since) == 0
        said: dict[str, Any] = json.loads(capsys.readouterr().out)
        return said["first_sequence"], said["rows"]

    assert first_row("5") == (5, 8)
    assert first_row("2026-11-20") == (1, 12)
    assert first_row("2026-11-20T12:00:03Z") == (4, 9)
    assert first_row("2027-01-01") == (13, 0)
    with pytest.raises(CommandError, match="not a row number"):
        run_command("--since", "last week")


def test_rows_before_since_are_not_looked_at(signed: list[AuditEvent]) -> None:
    sql("UPDATE governance_auditevent SET reason = 'x' WHERE sequence = 2")
    assert run_command("--since", "4") == 0
    assert run_command() == 1


def test_a_walk_from_a_row_that_is_gone_is_broken(signed: list[AuditEvent]) -> None:
    sql("DELETE FROM governance_auditevent WHERE sequence = 4")
    assert run_command("--since", "5") == 1
