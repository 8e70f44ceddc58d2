"""Compare the fee our rule predicts with the fee that was charged, for every recorded fill."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from apps.gateway.kalshi.fee_replay import check_fees, fee_rules
from apps.marketdata.management.files import report_files


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
        report_files(
            options["files"],
            lambda path: check_fees(path, fee_rules(path, series, multipliers)),
            as_json=options["json"],
            write=self.stdout.write,
        )
