from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate


class GovernanceConfig(AppConfig):
    name = "apps.governance"

    def ready(self) -> None:
        from axes.signals import user_locked_out

        from . import checks  # noqa: F401  registers the system checks
        from .handlers import register
        from .people_handlers import FactorResetHandler, RolesHandler
        from .proposal_handlers import DirectionChoiceHandler
        from .services.incidents import incident_from_event
        from .services.people import FACTOR_RESET, ROLES_CHANGE
        from .services.proposals_ground import CHOOSE_DIRECTION
        from .services.records import system_event_follow
        from .services.sign_ins import sign_in_locked
        from .signoff_handler import SIGNOFF_CHANGE, SignoffHandler

        register(SIGNOFF_CHANGE, SignoffHandler())
        register(FACTOR_RESET, FactorResetHandler())
        register(ROLES_CHANGE, RolesHandler())
        register(CHOOSE_DIRECTION, DirectionChoiceHandler())
        post_migrate.connect(guard_record, sender=self, dispatch_uid="governance.guard_record")
        user_locked_out.connect(sign_in_locked, dispatch_uid="governance.sign_in_locked")
        system_event_follow(incident_from_event)


def guard_record(*, using: str, **_: Any) -> None:
    """Puts back triggers that a migration took off with its table: SQLite makes tables anew to change them."""
    from .audit import triggers

    triggers.install(connections[using])
