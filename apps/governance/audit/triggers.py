"""Triggers that make the database itself refuse to change or remove what is on record, whoever asks.

They stop mistakes and anybody who only has the application's connection. The owner of a table can drop them; then
verification says so, and the chain and the signed heads still show what was done meanwhile.
"""

from __future__ import annotations

from typing import Any

FACTS = {
    "governance_auditevent": ("id", "sequence"),
    "governance_auditanchor": ("id", "sequence"),
    "governance_auditverification": ("id",),
    "governance_approvalvote": ("id",),
    "governance_approvalrevision": ("id",),
    "governance_approvalevidence": ("id",),
    "governance_systemevent": ("id",),
}
"""Table to the columns by which SQLite's INSERT OR REPLACE could put another row in a row's place."""
HEAD = "governance_audithead"
_REFUSAL = "rows on record are never changed or removed"
_FUNCTION = "kalshiops_refuse_change"


def install(connection: Any) -> list[str]:
    """Puts in place what is missing; returns the names of the triggers it made. Tables that do not exist are left."""
    missing = missing_triggers(connection)
    if not missing:
        return []
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                f"CREATE OR REPLACE FUNCTION {_FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN RAISE EXCEPTION '{_REFUSAL} (%)', TG_TABLE_NAME USING ERRCODE = 'check_violation'; END $$"
            )
        statements = _statements(connection.vendor)
        for name in missing:
            cursor.execute(statements[name])
    return missing


def remove(connection: Any) -> None:
    """Takes all of them away: for undoing the migration, and for tests that put the tables back to empty."""
    with connection.cursor() as cursor:
        present = _present(connection, cursor)
        for name, table in _wanted(connection, cursor).items():
            if name in present:
                on_table = f" ON {table}" if connection.vendor == "postgresql" else ""
                cursor.execute(f"DROP TRIGGER {name}{on_table}")


def missing_triggers(connection: Any) -> list[str]:
    """Names of the triggers that should stand on an existing table, be switched on, and do not or are not."""
    with connection.cursor() as cursor:
        present = _present(connection, cursor)
        return [name for name in _wanted(connection, cursor) if name not in present]


def _wanted(connection: Any, cursor: Any) -> dict[str, str]:
    """Trigger name to table, for the tables that exist."""
    tables = set(connection.introspection.table_names(cursor))
    last = "truncate" if connection.vendor == "postgresql" else "replace"
    kinds = ("update", "delete", last)
    return {f"{table}_no_{kind}": table for table in (*FACTS, HEAD) if table in tables for kind in kinds}


def _present(connection: Any, cursor: Any) -> set[str]:
    if connection.vendor == "postgresql":
        cursor.execute(
            "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('O', 'A') "
            "AND tgrelid IN (SELECT oid FROM pg_class WHERE pg_table_is_visible(oid))"
        )
    else:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
    return {name for (name,) in cursor.fetchall()}


def _statements(vendor: str) -> dict[str, str]:
    """Trigger name to the statement that makes it. The head may only step on by one row at a time."""
    made = {}
    for table in (*FACTS, HEAD):
        when = "WHEN (NEW.sequence <> OLD.sequence + 1 OR NEW.id <> OLD.id)" if table == HEAD else ""
        if vendor == "postgresql":
            run = f"EXECUTE FUNCTION {_FUNCTION}()"
            truncate = f"BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {run}"
            events = {"update": f"UPDATE ON {table} FOR EACH ROW {when}", "delete": f"DELETE ON {table} FOR EACH ROW"}
            made[f"{table}_no_truncate"] = f"CREATE TRIGGER {table}_no_truncate {truncate}"
        else:
            run = f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL} ({table})'); END"
            same = " OR ".join(f"{column} = NEW.{column}" for column in FACTS.get(table, ("id",)))
            events = {
                "update": f"UPDATE ON {table} {when}",
                "delete": f"DELETE ON {table}",
                "replace": f"INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} WHERE {same})",  # noqa: S608
            }
        for kind, event in events.items():
            made[f"{table}_no_{kind}"] = f"CREATE TRIGGER {table}_no_{kind} BEFORE {event} {run}"
    return made
