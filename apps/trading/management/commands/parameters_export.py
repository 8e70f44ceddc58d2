"""Prints the approved parameter set of a strategy as canonical JSON with its hash; a configuration is never typed."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.core.exceptions import ApplicationError
from apps.trading.models import StrategyConfig
from apps.trading.services.parameter_export import parameters_export


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--config", required=True, help="its number, or STRATEGY@ACCOUNT")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(parameters_export(config=_config(options["config"])))
        except ApplicationError as error:
            raise CommandError(error.message) from error


def _config(named: str) -> StrategyConfig:
    configs = StrategyConfig.objects.select_related("account", "version__strategy")
    slug, _, account = named.partition("@")
    found = configs.filter(pk=named) if named.isdecimal() else configs.filter(
        version__strategy__slug=slug, account__name=account or "main"
    )  # fmt: skip
    config = found.order_by("-pk").first()
    if config is None:
        raise CommandError(f"there is no configuration {named!r}")
    return config
