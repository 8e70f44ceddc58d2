"""The exchange's clients as the settings describe them, for every session that talks to it."""

from __future__ import annotations

from pathlib import Path
from random import Random

from django.conf import settings

from apps.gateway.clock import Clock, SystemClock
from apps.gateway.errors import RequestRefused
from apps.gateway.kalshi.limits import BASIC_READ, BASIC_WRITE, DEFAULT_COSTS
from apps.gateway.kalshi.messages import Decoder
from apps.gateway.kalshi.rest import KalshiRest
from apps.gateway.kalshi.signing import Signer, load_private_key
from apps.gateway.kalshi.ws import KalshiSocket
from apps.gateway.shared_budget import SharedBudget, open_redis

from .exceptions import KeyNotConfigured


def kalshi_signer(clock: Clock | None = None) -> Signer:
    """Signs with the key of `KALSHI_PRIVATE_KEY_FILE`. Raises `KeyNotConfigured`, which never quotes the key."""
    if not settings.KALSHI_KEY_ID:
        raise KeyNotConfigured("KALSHI_KEY_ID is not set")
    if not settings.KALSHI_PRIVATE_KEY_FILE:
        raise KeyNotConfigured("KALSHI_PRIVATE_KEY_FILE is not set")
    path = Path(settings.KALSHI_PRIVATE_KEY_FILE)
    try:
        key = load_private_key(path.read_bytes())
    except OSError as e:
        raise KeyNotConfigured(f"the key file {path} cannot be read: {e.strerror}") from None
    except RequestRefused as e:
        raise KeyNotConfigured(f"the key file {path}: {e}") from None
    return Signer(settings.KALSHI_KEY_ID, key, clock or SystemClock())


def kalshi_rest(*, clock: Clock | None = None, rng: Random | None = None, is_priority: bool = False) -> KalshiRest:
    """A REST client that pays from the installation's token account; close it with `aclose` in the loop that used it.

    It counts by the lowest tier's limits until `load_budget` or an earlier process has told the account's own.
    `is_priority` is for the process that stops trading: all its calls may spend the reserve.
    """
    clock = clock or SystemClock()
    # The venue counts per account, and an installation has one account per environment, whatever the key.
    budget = SharedBudget(
        open_redis(settings.REDIS_URL),
        settings.KALSHI_ENVIRONMENT,
        BASIC_READ,
        BASIC_WRITE,
        clock,
        costs=DEFAULT_COSTS,
        is_priority=is_priority,
        rng=rng,
    )
    return KalshiRest(settings.KALSHI_API_URL, kalshi_signer(clock), budget, clock, rng=rng)


def kalshi_socket(
    *, clock: Clock | None = None, rng: Random | None = None, decoder: Decoder | None = None
) -> KalshiSocket:
    """A socket that asks for YES prices on both sides of the book."""
    clock = clock or SystemClock()
    return KalshiSocket(settings.KALSHI_WS_URL, kalshi_signer(clock), clock, rng or Random(), decoder)
