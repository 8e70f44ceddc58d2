"""Prints the reliability goals with what was measured of them, when, on which release and by which command."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.risk.reliability import NOT_MEASURED, Figure, FiguresUnreadable, Row, figure_files, figures_read
from apps.risk.reliability import figures_write as write_figures
from apps.risk.reliability import report as make_report

HEADERS = ("Goal", "Asked", "Figure", "Measured", "Met", "n", "When (UTC)", "Release", "Command")


class Command(BaseCommand):
    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--markdown", action="store_true", help="a table for a README")
        parser.add_argument("--run-dir", type=Path, help="where figures/*.json lie (default: the run directory)")
        parser.add_argument("--record", type=Path, metavar="FILE", help="write all figures into one file, for shipping")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            figures = figures_read(figure_files(options["run_dir"] or Path(settings.RUN_DIR)))
        except FiguresUnreadable as error:
            raise CommandError(str(error)) from error
        rows = make_report(figures)
        self.stdout.write(_markdown(rows) if options["markdown"] else _text(rows))
        if options["record"]:
            write_figures(options["record"], figures)
            self.stdout.write(f"{len(figures)} figures recorded in {options['record']}")


def _cells(figure: Figure) -> tuple[str, ...]:
    at = f"{figure.at:%Y-%m-%d %H:%M}"
    return figure.figure, figure.value, figure.verdict, f"{figure.n:,}", at, figure.release, figure.command


def _markdown(rows: Sequence[Row]) -> str:
    lines = ["| " + " | ".join(HEADERS) + " |", "|" + "---|" * len(HEADERS)]
    for row in rows:
        about = (f"{row.goal.key} {row.goal.title}", row.goal.asked)
        found = [_cells(figure) for figure in row.figures]
        for cells in found or [("", NOT_MEASURED, "", "", "", "", row.goal.command)]:
            shown = [*about, *cells[:-1], f"`{cells[-1]}`" if cells[-1] else ""]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in shown) + " |")
            about = ("", "")
    return "\n".join(lines)


def _text(rows: Sequence[Row]) -> str:
    lines: list[str] = []
    for row in rows:
        lines.append(f"{row.goal.key:4} {row.goal.title}: {row.goal.asked}")
        if not row.figures:
            lines.append(f"       {NOT_MEASURED}; {row.goal.command}")
        for figure in row.figures:
            name, value, verdict, n, at, release, command = _cells(figure)
            lines.append(f"       {name}: {value}  [{verdict}]  n = {n}, {at}, release {release}, {command}")
    return "\n".join(lines)
