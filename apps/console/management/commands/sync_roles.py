"""Makes the groups in the database hold exactly the rights of `kalshiops/roles.py`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.module_loading import import_string

from apps.core.exceptions import ApplicationError
from apps.governance.services.roles import roles_sync

# Named, not imported: the composition root stands above every app.
ROLES = "kalshiops.roles.roles"


class Command(BaseCommand):
    help = "Make every role hold exactly the rights of the table in the code."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            changed = roles_sync(roles=import_string(ROLES)(), now=timezone.now(), actor_label="system:sync-roles")
        except ApplicationError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"roles changed: {', '.join(changed) or 'none'}")
