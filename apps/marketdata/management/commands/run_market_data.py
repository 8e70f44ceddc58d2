from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from apps.marketdata.runner import run_market_data


class Command(BaseCommand):
    help = "Runs the market-data session in the foreground until Ctrl-C; it ends at once when another one holds it."

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        self.stdout.write(f"market data ended: {run_market_data(stop)}")
