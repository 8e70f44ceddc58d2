"""Show what a recording holds: frames, sequence gaps, refusals, and the books it ends with."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from apps.gateway.kalshi.replay import replay_book
from apps.marketdata.management.files import report_files


class Command(BaseCommand):
    help = __doc__
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument("--json", action="store_true", help="one JSON object with a list of files")
        parser.add_argument(
            "--yes-prices", action="store_true", default=None, help="NO levels are priced from the YES leg"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        report_files(
            options["files"],
            lambda path: replay_book(path, use_yes_price=options["yes_prices"]).as_json(),
            as_json=options["json"],
            write=self.stdout.write,
        )
