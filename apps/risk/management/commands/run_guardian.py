"""The process that takes orders off when a stop is pressed or the session dies. Holds no lease, places no order."""

from __future__ import annotations

import asyncio
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.marketdata.exceptions import KeyNotConfigured
from apps.risk.guardian.processes import guard


class Command(BaseCommand):
    help = __doc__
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            asyncio.run(guard(self._say))
        except KeyNotConfigured as error:
            raise CommandError(str(error)) from error

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
