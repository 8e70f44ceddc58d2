"""Signs the audit chain's end now and writes it to every place; says where it lies and with which key it was signed."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.governance.audit.anchors import public_hex
from apps.governance.audit.errors import AuditKeyUnusable
from apps.governance.audit_selectors import chain_state
from apps.governance.services.audit_anchors import audit_anchor, signing_key


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--public-key", action="store_true", help="only print the public key, in hex")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            key = public_hex(signing_key())
        except (AuditKeyUnusable, OSError) as error:
            raise CommandError(str(error)) from error
        if options["public_key"]:
            self.stdout.write(key)
            return
        audit_anchor(now=timezone.now(), even_if_young=True)
        state = chain_state()
        signed = state.anchor.sequence if state.anchor else 0
        self.stdout.write(f"rows {state.height}, signed through row {signed}\npublic key {key}")
        for place in state.places:
            through = place.state.written_through if place.state else 0
            problem = place.state.error if place.state else "never written"
            self.stdout.write(f"{place.path}: through row {through}{f', FAILING: {problem}' if problem else ''}")
        if signed != state.height or any(place.state is None or place.state.error for place in state.places):
            sys.exit(1)
