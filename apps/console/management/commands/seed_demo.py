"""First people, account, strategy, parameters and limits of an installation; safe to run again."""

from __future__ import annotations

import json
import secrets
from io import StringIO
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from apps.core.exceptions import ApplicationError
from apps.governance.services.compliance_seeding import compliance_seed
from apps.governance.services.proposals_demo import ENVIRONMENTS, redesign_case_load
from apps.governance.services.roles import person_create, roles_sync
from apps.trading.services.seeding import SEEDER, Seeded, trading_seed

from .sync_roles import ROLES

PEOPLE = {
    "craig": "boss",
    "cliff": "operations",
    "scalper": "trader",
    "viewer": "viewer",
    "admin": "technical_admin",
}
DEFAULT_MARKETS = ["KXBTC15M"]
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


def one_time_password() -> str:
    """Four groups of four characters that cannot be mistaken for each other; about 79 bits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))


class Command(BaseCommand):
    help = "Create the demo people, account, strategy and limits that are missing. Passwords are shown once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
        parser.add_argument("--password-file", type=Path, help="also add new passwords to this file (owner only)")
        parser.add_argument("--markets", nargs="+", help="series or market tickers the strategy may trade")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        passwords: dict[str, str] = {}
        try:
            with transaction.atomic():
                roles_sync(roles=import_string(ROLES)(), now=now, actor_label=SEEDER)
                for username, role in PEOPLE.items():
                    password = one_time_password()
                    made = person_create(username=username, password=password, role=role, now=now, actor_label=SEEDER)
                    if made is not None:
                        passwords[username] = password
                compliance_seed(now=now)
                if settings.KALSHI_ENVIRONMENT in ENVIRONMENTS:
                    redesign_case_load(environment=settings.KALSHI_ENVIRONMENT, now=now)
                seeded = trading_seed(
                    environment=settings.KALSHI_ENVIRONMENT,
                    markets=options["markets"],
                    default_markets=DEFAULT_MARKETS,
                    now=now,
                )
                # Inside the transaction: a password that could not be kept must not lock its owner out.
                if options["password_file"] and passwords:
                    _add_to_file(options["password_file"], passwords)
        except (ApplicationError, ValueError, OSError) as error:
            raise CommandError(str(error)) from error
        # A session does not arm on switches that nobody has seen trip.
        call_command("switch_drill", "--if-due", stdout=StringIO())
        self._report(passwords, seeded, as_json=options["json"])

    def _report(self, passwords: dict[str, str], seeded: Seeded, *, as_json: bool) -> None:
        if as_json:
            people = [{"username": u, "role": r, "password": passwords.get(u)} for u, r in PEOPLE.items()]
            body = {
                "people": people,
                "account": seeded.account.name,
                "environment": seeded.account.environment,
                "markets": seeded.config.markets,
                "enabled": seeded.config.is_enabled,
                "parameters": seeded.parameters.number,
            }
            self.stdout.write(json.dumps(body))
            return
        for username, role in PEOPLE.items():
            shown = passwords.get(username, "(exists; its password was shown when it was created)")
            self.stdout.write(f"{username:<8} {role:<16} {shown}")
        state = "enabled" if seeded.config.is_enabled else "off"
        markets = ", ".join(seeded.config.markets)
        self.stdout.write(f"{seeded.config} ({seeded.account.environment}): {state}, markets {markets}")


def _add_to_file(path: Path, passwords: dict[str, str]) -> None:
    known = json.loads(path.read_text()) if path.is_file() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(json.dumps(known | passwords, indent=2) + "\n")
