from __future__ import annotations

from django.apps import AppConfig


class RiskConfig(AppConfig):
    name = "apps.risk"

    def ready(self) -> None:
        from apps.governance.handlers import register

        from .handlers import LIMIT_CHANGE, RESUME, LimitChangeHandler, ResumeHandler
        from .list_handlers import RESTRICTION_LIFT, THEME_SHRINK, RestrictionLiftHandler, ThemeShrinkHandler

        register(RESUME, ResumeHandler())
        register(LIMIT_CHANGE, LimitChangeHandler())
        register(THEME_SHRINK, ThemeShrinkHandler())
        register(RESTRICTION_LIFT, RestrictionLiftHandler())
