"""Show what a recording holds: frames, sequence gaps, refusals, and the books it ends with."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.gateway.errors import BadMessage
from apps.gateway.kalshi.replay import replay_book


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
        reports = []
        for path in options["files"]:
            try:
                reports.append(replay_book(path, use_yes_price=options["yes_prices"]).as_json())
            except (OSError, BadMessage) as e:
                raise CommandError(f"{path}: {type(e).__name__}: {e}") from e
        if options["json"]:
            self.stdout.write(json.dumps({"files": reports}, indent=2))
            return
        for report in reports:
            for name, value in report.items():
                self.stdout.write(f"{name}: {value}")
