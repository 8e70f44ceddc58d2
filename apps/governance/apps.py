from __future__ import annotations

from django.apps import AppConfig


class GovernanceConfig(AppConfig):
    name = "apps.governance"

    def ready(self) -> None:
        from . import checks  # noqa: F401  registers the system checks
