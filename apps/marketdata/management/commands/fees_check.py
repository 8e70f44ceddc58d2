"""Compare the fee our rule predicts with the fee that was charged, for every recorded fill."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.engine.errors import EngineError
from apps.gateway.errors import GatewayError
from apps.gateway.kalshi.fee_replay import check_fees, fee_rules


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument("--json", action="store_true", help="one JSON object with a list of files")
        parser.add_argument("--series", type=Path, help="series bodies with their fee fields")
        parser.add_argument("--multiplier", action="append", default=[], metavar="PREFIX=M")

    def handle(self, *args: Any, **options: Any) -> None:
        series, multipliers = options["series"], options["multiplier"]
        try:
            reports = [check_fees(p, fee_rules(p, series, multipliers)) for p in options["files"]]
        except (OSError, GatewayError, EngineError) as e:
            raise CommandError(f"{type(e).__name__}: {e}") from e
        if options["json"]:
            self.stdout.write(json.dumps({"files": reports}, indent=2))
            return
        for report in reports:
            self.stdout.write(f"{report['file']}: {report['matching']} of {report['fills']} fills match")
            for row in report["rows"]:
                self.stdout.write(" ".join(f"{name}={value}" for name, value in row.items()))
