from __future__ import annotations

from django.apps import AppConfig


class RiskConfig(AppConfig):
    name = "apps.risk"

    def ready(self) -> None:
        from apps.governance.handlers import register

        from .handlers import LIMIT_CHANGE, RESUME, LimitChangeHandler, ResumeHandler

        register(RESUME, ResumeHandler())
        register(LIMIT_CHANGE, LimitChangeHandler())
