"""Stops trading and takes every resting order off, from any shell: needs no worker, no Redis, no database, no web.

Exit codes: 0 zero resting orders proved, 1 not proved, 2 wrong use.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
import uuid
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.risk.choices import Scope
from apps.risk.exceptions import BadScope
from apps.risk.guardian.processes import NotKilled, kill
from apps.risk.guardian.report import LadderReport
from apps.risk.guardian.request import KillRequest
from apps.risk.scopes import checked_scope
from apps.risk.services.stops import COMMAND, NO_REASON

NOT_PROVED, WRONG_USE = 1, 2


class Command(BaseCommand):
    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--scope", choices=Scope.values, default=Scope.GLOBAL.value)
        parser.add_argument("--scope-id", default="", help="which account, strategy, series, event or market")
        parser.add_argument("--reason", default=NO_REASON)
        parser.add_argument("--by", help="who presses (default: the system's user name)")
        parser.add_argument("--limit", type=float, default=30.0, help="seconds to try for (default %(default)s)")
        parser.add_argument("--json", action="store_true", help="progress to stderr, one JSON object to stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            scope, scope_id = checked_scope(options["scope"], options["scope_id"])
        except BadScope as error:
            raise CommandError(error.message, returncode=WRONG_USE) from error
        by = f"command:{options['by'] or _user_name()}"
        request = KillRequest(uuid.uuid4().hex, scope.value, scope_id, options["reason"], by, timezone.now(), COMMAND)
        progress = self.stderr if options["json"] else self.stdout

        def say(line: str) -> None:
            progress.write(line)
            progress.flush()

        try:
            report = asyncio.run(kill(request, limit_s=options["limit"], say=say))
        except NotKilled as error:
            raise CommandError(str(error), returncode=NOT_PROVED) from error
        self.stdout.write(json.dumps(_as_json(request, report)) if options["json"] else report.text())
        if not report.is_zero:
            sys.exit(NOT_PROVED)


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _as_json(request: KillRequest, report: LadderReport) -> dict[str, Any]:
    def after(at_ms: int | None) -> int | None:
        return None if at_ms is None else at_ms - report.begun_ms

    return {
        "request_id": request.request_id,
        "is_zero": report.is_zero,
        "is_confirmed": report.is_confirmed,
        "private_feed": report.private_feed,
        "last_ack_ms": after(report.last_ack_ms),
        "proved_ms": after(report.proved_ms),
        "resting_before": report.resting_before,
        "canceled": report.canceled,
        "groups_total": report.groups_total,
        "groups_triggered": report.groups_triggered,
        "is_paused": report.is_paused,
        "left": [{"order_id": x.order.order_id, "ticker": x.order.ticker, "reason": x.reason} for x in report.left],
        "positions_left": report.positions_json(),
        "problems": report.problems,
    }
