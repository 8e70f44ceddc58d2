from __future__ import annotations

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class GovernanceConfig(AppConfig):
    name = "apps.governance"

    def ready(self) -> None:
        from . import checks  # noqa: F401  registers the system checks
        from .middleware import note_one_time_password

        user_logged_in.connect(note_one_time_password, dispatch_uid="governance.one_time_password")
