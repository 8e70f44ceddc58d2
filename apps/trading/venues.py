"""Where orders go, by name. The concrete classes are named in the settings and imported by nobody."""

from __future__ import annotations

from typing import cast

from django.conf import settings
from django.utils.module_loading import import_string

from apps.engine.ports import Venue
from apps.gateway.clock import Clock
from apps.gateway.kalshi.rest import KalshiRest
from apps.marketdata.connection import kalshi_rest
from apps.trading.exceptions import CredentialsMissing
from apps.trading.models import Account


def venue_open(account: Account, clock: Clock) -> tuple[Venue, KalshiRest]:
    """The account's venue and the client to close afterwards.

    Raises `CredentialsMissing` when the process's credentials belong to another environment than the account: an
    order of a simulated account must never reach a live exchange, nor the reverse.
    """
    if account.environment != settings.KALSHI_ENVIRONMENT:
        raise CredentialsMissing(
            f"account {account.name} is {account.environment}, this process is set up for {settings.KALSHI_ENVIRONMENT}"
        )
    rest = kalshi_rest(clock=clock)
    return cast(Venue, import_string(settings.VENUES[account.venue])(rest)), rest
