"""Verifies the audit chain and stores the run. Exit codes: 0 intact, 1 broken, 2 could not be verified."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.governance.audit_selectors import sequence_before
from apps.governance.choices import AuditResult, AuditScope
from apps.governance.models import AuditVerification
from apps.governance.services.audit_verification import audit_verify

EXIT = {AuditResult.INTACT: 0, AuditResult.BROKEN: 1, AuditResult.INCOMPLETE: 2}


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--since", help="first row to look at: its number, or a UTC date or ISO time")
        which.add_argument("--recent", action="store_true", help="only the newest rows, from a signed head on")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run = self._run(options["since"], recent=options["recent"])
        except DatabaseError as error:
            self.stderr.write(f"could not be verified: {type(error).__name__}: {error}")
            sys.exit(2)
        self.stdout.write(_as_json(run) if options["json"] else _as_text(run))
        if code := EXIT[AuditResult(run.result)]:
            sys.exit(code)

    def _run(self, since: str | None, *, recent: bool) -> AuditVerification:
        now, label = timezone.now(), "system:command-line"
        if since is not None:
            return audit_verify(now=now, scope=AuditScope.SINCE, since=_first_row(since), actor_label=label)
        return audit_verify(now=now, scope=AuditScope.RECENT if recent else AuditScope.FULL, actor_label=label)


def _first_row(text: str) -> int:
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        parsed: datetime | None = parse_datetime(text if "T" in text else f"{text}T00:00:00+00:00")
    except ValueError:
        parsed = None
    if parsed is None:
        raise CommandError(f"not a row number, a date or an ISO 8601 time: {text!r}", returncode=2)
    return sequence_before(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)) + 1


def _as_text(run: AuditVerification) -> str:
    speed = f", {run.rows / float(run.seconds):,.0f} rows/s" if run.seconds else ""
    rows = f"{run.rows:,} rows, {run.first_sequence} to {run.last_sequence}"
    lines = [
        f"{run.get_result_display()}: {rows}, in {run.seconds} s{speed}",
        f"signed and kept outside the database through row {run.anchored_through}",
        *(f"{found['kind']}: {found['detail']}" for found in run.breaks),
        *(f"note: {note}" for note in run.notes),
    ]
    return "\n".join(lines)


def _as_json(run: AuditVerification) -> str:
    names = ("scope", "result", "first_sequence", "last_sequence", "rows", "anchored_through", "breaks", "notes")
    body = {name: getattr(run, name) for name in names}
    return json.dumps({**body, "seconds": str(run.seconds), "started_at": run.started_at.isoformat(), "run": run.pk})
