"""Runs one trading session in the foreground, as the trading worker would."""

from __future__ import annotations

import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core.shutdown import stopping
from apps.trading.execution.launch import run_session
from apps.trading.models import Account


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("account", nargs="?", default="main")

    def handle(self, *args: Any, **options: Any) -> None:
        account = Account.objects.filter(name=options["account"]).first()
        if account is None:
            raise CommandError(f"there is no account {options['account']!r}")
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        state = run_session(account=account, stopping=stopping)
        if state is None:
            raise CommandError("another process runs a session of this account")
        self.stdout.write(f"session ended: {state}")
