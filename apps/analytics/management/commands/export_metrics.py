from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.analytics.services import liquidity_export
from apps.core.exceptions import Refused
from apps.trading.models import Account


def _instant(text: str) -> datetime:
    parsed = parse_datetime(text if "T" in text or " " in text else f"{text}T00:00:00+00:00")
    if parsed is None:
        raise CommandError(f"not a date or an ISO 8601 time: {text!r}")
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def _account(name: str | None) -> Account:
    if name is not None:
        found = Account.objects.filter(name=name).first()
        if found is None:
            raise CommandError(f"no account named {name!r}")
        return found
    active = list(Account.objects.filter(is_active=True)[:2])
    if len(active) != 1:
        raise CommandError("there is not exactly one active account; choose one with --account")
    return active[0]


class Command(BaseCommand):
    help = "Writes the liquidity metrics of a window as CSV, and records the export."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", help="account name; needed when there are several")
        parser.add_argument("--window-days", type=int, default=30, help="days before now (default 30)")
        parser.add_argument("--start", type=_instant, help="start of the window, UTC date or ISO time")
        parser.add_argument("--end", type=_instant, help="end of the window, exclusive; default now")
        parser.add_argument("--output", type=Path, help="file to write; default standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        end = options["end"] or now
        start = options["start"] or end - timedelta(days=options["window_days"])
        try:
            filename, content = liquidity_export(
                account=_account(options["account"]), window_start=start, window_end=end, actor=None, now=now
            )
        except Refused as refused:
            raise CommandError(refused.message) from refused
        if options["output"] is None:
            self.stdout.write(content.decode(), ending="")
            return
        target = options["output"] / filename if options["output"].is_dir() else options["output"]
        target.write_bytes(content)
        self.stderr.write(f"wrote {target}")
