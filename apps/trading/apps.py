from __future__ import annotations

from django.apps import AppConfig


class TradingConfig(AppConfig):
    name = "apps.trading"

    def ready(self) -> None:
        from apps.governance.handlers import register

        from .handlers import PARAMETERS_CHANGE, ParametersChangeHandler

        register(PARAMETERS_CHANGE, ParametersChangeHandler())
