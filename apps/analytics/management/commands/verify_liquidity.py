"""The eight liquidity checks against the configured exchange and the running platform.

Exit codes: 0 acceptable, 1 acceptable with warnings (what could not be checked is one), 2 not acceptable. The run is
stored. Outside of live it drills the kill: the guardian climbs its ladder in a scope where nothing rests.
"""

from __future__ import annotations

import getpass
import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from apps.analytics.models import LiquidityCheckRun
from apps.analytics.services.verification import liquidity_verify
from apps.analytics.verification import Outcome, Report

MARKS = {Outcome.OK: "ok", Outcome.WARNING: "WARNING", Outcome.ERROR: "ERROR", Outcome.NOT_CHECKED: "NOT CHECKED"}


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
        parser.add_argument(
            "--drill-wait", type=float, default=15.0, help="seconds for the drill (default %(default)s)"
        )
        parser.add_argument("--by", help="who runs it (default: the system's user name)")

    def handle(self, *args: Any, **options: Any) -> None:
        by = f"command:{options['by'] or _user_name()}"
        run, report = liquidity_verify(now=timezone.now(), by=by, drill_wait_s=options["drill_wait"])
        self.stdout.write(json.dumps(_as_json(run, report)) if options["json"] else _text(run, report))
        sys.exit(report.exit_code)


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _text(run: LiquidityCheckRun, report: Report) -> str:
    lines = []
    for row in run.results:
        lines.append(f"{row['number']}. {row['title']}: {MARKS[Outcome(row['outcome'])]}")
        lines += [f"   {part}" for part in row["detail"].split("; ")]
        lines += [f"     {name}: {value}" for name, value in row["facts"].items()]
    counts = f"{report.errors} errors, {report.warnings} warnings ({report.not_checked} not checked)"
    lines.append(f"{run.verdict}: {counts}, {run.seconds} s, run {run.pk} on {run.environment}")
    return "\n".join(lines)


def _as_json(run: LiquidityCheckRun, report: Report) -> dict[str, Any]:
    return {
        "run": run.pk,
        "ran_at": run.ran_at.isoformat(),
        "environment": run.environment,
        "release": run.release,
        "verdict": run.verdict,
        "exit_code": report.exit_code,
        "errors": report.errors,
        "warnings": report.warnings,
        "not_checked": report.not_checked,
        "checks": run.results,
    }
