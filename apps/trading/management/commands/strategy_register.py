"""Writes down the strategy versions this release ships, as found and unreviewed, and the parameter names it uses."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.core.exceptions import ApplicationError
from apps.trading.models import StrategyVersion
from apps.trading.services.versions import versions_register


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            new = {version.pk for version in versions_register(now=timezone.now())}
        except ApplicationError as error:
            raise CommandError(error.message) from error
        for version in StrategyVersion.objects.select_related("strategy", "reviewed_by"):
            reviewer = f"reviewed by {version.reviewed_by}" if version.reviewed_by else "unreviewed"
            found = "found now" if version.pk in new else f"known since {version.created_at:%Y-%m-%d}"
            self.stdout.write(f"{version.strategy.slug:20} {version.code_hash}  {found}, {reviewer}")
