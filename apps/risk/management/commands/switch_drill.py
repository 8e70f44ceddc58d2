"""Drills every switch: it must trip on its case, and must not on its negative control."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from apps.engine.errors import BadNumber
from apps.engine.switches.catalogue import SWITCHES
from apps.risk.services.switches import (
    drills_due,
    drills_newest,
    switch_drills_run,
    threshold_texts,
    thresholds_in_force,
)


class Command(BaseCommand):
    help = (
        "Drill every switch with the thresholds in force and record it; trading is refused without a drill in 30 days."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--list", action="store_true", help="only show switches, thresholds and newest drills")
        parser.add_argument("--only", nargs="+", choices=list(SWITCHES), metavar="KEY", help="drill these switches")
        parser.add_argument("--if-due", action="store_true", help="drill only what has no good drill in 30 days")
        parser.add_argument("--by", default="system:switch-drill", help="who runs it, for the record")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["list"]:
                self._list()
            else:
                self._drill(options)
        except BadNumber as error:
            raise CommandError(f"thresholds in force cannot be used: {error}") from error

    def _drill(self, options: dict[str, Any]) -> None:
        now = timezone.now()
        keys = options["only"] or (drills_due(now=now) if options["if_due"] else None)
        rows = [] if keys == [] else switch_drills_run(by=options["by"], now=now, keys=keys)
        for row in rows:
            self.stdout.write(f"{row.key:4} {'passed' if row.passed else 'FAILED'}")
            if not row.passed or options["verbosity"] > 1:
                self.stdout.write(f"     must trip:     {row.trip_detail}\n     must not trip: {row.control_detail}")
        failed = [row.key for row in rows if not row.passed]
        if failed:
            raise CommandError(f"{len(failed)} of {len(rows)} drills failed: {', '.join(failed)}")
        self.stdout.write(f"{len(rows)} switches drilled, all passed")

    def _list(self) -> None:
        thresholds, newest = thresholds_in_force(), drills_newest()
        for key, switch in SWITCHES.items():
            row = newest.get(key)
            state = (
                "never drilled" if row is None else f"{'passed' if row.passed else 'FAILED'} {row.at:%Y-%m-%d %H:%M}"
            )
            self.stdout.write(f"{key:4} {switch.title}: {switch.trips_when} -> {switch.action} ({state})")
            numbers = ", ".join(f"{name} {value} {unit}" for name, value, unit in threshold_texts(thresholds[key]))
            self.stdout.write(f"     {numbers}")
