"""Rows from before the chain are linked by the migration, as they stand."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from pytest_django.plugin import DjangoDbBlocker

from apps.governance.audit.chain import GENESIS
from apps.governance.audit.triggers import missing_triggers
from apps.governance.audit.verification import verify
from apps.governance.audit_selectors import chain_entries, chain_head
from apps.governance.services import audit_record
from tests.browser.database import default_database
from tests.factories import NOW

BEFORE, AFTER = [("governance", "0003_one_time_password")], [("governance", "0004_audit_chain")]


@pytest.mark.parametrize("rows", [0, 3, 1_001])
def test_existing_rows_are_chained(rows: int, tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> None:
    with django_db_blocker.unblock(), default_database(tmp_path / "old.sqlite3"):
        old = MigrationExecutor(connection).migrate(BEFORE).apps
        person = old.get_model("auth", "User").objects.create(username="craig")
        events = old.get_model("governance", "AuditEvent")
        events.objects.bulk_create(
            events(
                created_at=NOW, actor=person if number % 2 else None, actor_label="craig", action="old.row.write",
                object_type="old.Row", object_id=number, after={"share": 0.1, "n": [number, "ä"]}, release="old",
            )
            for number in range(rows)
        )  # fmt: skip
        MigrationExecutor(connection).migrate(AFTER)
        verdict = verify(chain_entries(), head=chain_head())
        assert (verdict.is_intact, verdict.rows, chain_head()[0]) == (True, rows, rows)
        assert (chain_head()[1] == GENESIS) is (rows == 0)
        call_command("migrate", verbosity=0)
        assert missing_triggers(connection) == []
        audit_record(actor=None, actor_label="new", action="new.row.write", obj_type="x", obj_id=1, now=NOW)
        assert verify(chain_entries(), head=chain_head()).is_intact
        assert chain_head()[0] == rows + 1
