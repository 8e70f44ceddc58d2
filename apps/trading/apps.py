from __future__ import annotations

from django.apps import AppConfig


class TradingConfig(AppConfig):
    name = "apps.trading"

    def ready(self) -> None:
        from apps.governance.handlers import register

        from .handlers import HANDLERS

        for action, handler in HANDLERS.items():
            register(action, handler)
