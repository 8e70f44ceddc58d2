"""What the sessions of an account did, tied out against the exchange's records; exit 1 unless everything agrees."""

from __future__ import annotations

import asyncio
import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.trading.models import Account
from apps.trading.services.summary import summary_make


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("account", nargs="?", default="main")
        parser.add_argument("--json", action="store_true", help="one JSON object on one line")

    def handle(self, *args: Any, **options: Any) -> None:
        account = Account.objects.filter(name=options["account"]).first()
        if account is None:
            raise CommandError(f"there is no account {options['account']!r}")
        summary = asyncio.run(summary_make(account=account))
        if options["json"]:
            self.stdout.write(json.dumps(summary.as_json()))
        else:
            for name, value in summary.as_json().items():
                self.stdout.write(f"{name:18} {value}")
        if not summary.is_clean:
            raise SystemExit(1)
