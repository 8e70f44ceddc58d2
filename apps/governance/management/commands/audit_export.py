"""Writes the audit record with its signed heads and a stand-alone verifier into one zip; the export is on record."""

from __future__ import annotations

import shutil
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.core.exceptions import ApplicationError
from apps.governance.services.audit_export import audit_export


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", type=int, default=1, help="first row (default: the whole record)")
        parser.add_argument("--output", type=Path, default=Path(), help="file or folder (default: here)")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["since"] < 1:
            raise CommandError("rows are counted from 1")
        try:
            bundle = audit_export(actor=None, factor=None, now=timezone.now(), since=options["since"])
            target = options["output"] / bundle.name if options["output"].is_dir() else options["output"]
            with bundle.file, target.open("wb") as file:
                shutil.copyfileobj(bundle.file, file)
        except (ApplicationError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{target}: {bundle.rows} rows through row {bundle.last}, SHA-256 {bundle.sha256}")
