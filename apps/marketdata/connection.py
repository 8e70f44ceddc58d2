"""The exchange's clients as the settings describe them, for every session that talks to it."""

from __future__ import annotations

from pathlib import Path
from random import Random

from django.conf import settings

from apps.gateway.clock import Clock, SystemClock
from apps.gateway.errors import RequestRefused
from apps.gateway.kalshi.limits import basic_budget
from apps.gateway.kalshi.messages import Decoder
from apps.gateway.kalshi.rest import KalshiRest
from apps.gateway.kalshi.signing import Signer, load_private_key
from apps.gateway.kalshi.ws import KalshiSocket

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


def kalshi_rest(*, clock: Clock | None = None, rng: Random | None = None) -> KalshiRest:
    """A REST client with the lowest tier's budget; close it with `aclose` in the loop that used it."""
    clock = clock or SystemClock()
    return KalshiRest(settings.KALSHI_API_URL, kalshi_signer(clock), basic_budget(clock), clock, rng=rng)


def kalshi_socket(
    *, clock: Clock | None = None, rng: Random | None = None, decoder: Decoder | None = None
) -> KalshiSocket:
    """A socket that asks for YES prices on both sides of the book."""
    clock = clock or SystemClock()
    return KalshiSocket(settings.KALSHI_WS_URL, kalshi_signer(clock), clock, rng or Random(), decoder)
