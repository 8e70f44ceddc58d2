"""Writes a zip for somebody who helps: versions, settings without secrets, the last events, the state of processes."""

from __future__ import annotations

import getpass
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.analytics.services.support import support_bundle


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--output", type=Path, help="file to write (default: support-TIME.zip in the run directory)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        path = options["output"] or Path(settings.RUN_DIR) / f"support-{now:%Y%m%dT%H%M%SZ}.zip"
        content = support_bundle(now=now, by=f"command:{_user_name()}")
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
                handle.write(content)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from error
        self.stdout.write(str(path))


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
