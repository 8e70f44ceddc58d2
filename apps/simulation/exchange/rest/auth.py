"""Who signed a request (Kalshi docs: API keys; refusals as recorded on demo)."""

from __future__ import annotations

from collections.abc import Mapping

from apps.gateway.kalshi.signing import verify
from apps.simulation.exchange.accounts import Account
from apps.simulation.exchange.exchange import Exchange
from apps.simulation.exchange.refusals import Refusal, refused

KEY = "kalshi-access-key"
TIMESTAMP = "kalshi-access-timestamp"
SIGNATURE = "kalshi-access-signature"


def is_signed(headers: Mapping[str, str]) -> bool:
    return KEY in headers or SIGNATURE in headers


def authenticate(exchange: Exchange, method: str, path: str, headers: Mapping[str, str]) -> Account:
    """The account whose key signed `timestamp + METHOD + path`; raises the recorded 401s."""
    for header, name in ((SIGNATURE, "signature"), (KEY, "key"), (TIMESTAMP, "timestamp")):
        if not headers.get(header):
            raise refused(401, f"{name}_is_missing_from_headers")
    stamp = headers[TIMESTAMP]
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 15:
        raise refused(401, "header_timestamp_expired")
    if abs(int(stamp) * 1000 - exchange.shown_us()) > exchange.config.signature_window_us:
        raise refused(401, "header_timestamp_expired")
    key_id = headers[KEY]
    public_key = exchange.public_keys.get(key_id)
    if public_key is None:
        raise unauthentic("NOT_FOUND")
    if not verify(public_key, stamp, method, path, headers[SIGNATURE]):
        raise unauthentic("INCORRECT_API_KEY_SIGNATURE")
    return exchange.state.accounts[key_id]


def unauthentic(details: str) -> Refusal:
    """The recorded 401 for an unknown key (`NOT_FOUND`) or a wrong signature."""
    return refused(401, "authentication_error", details, message="authentication_error")
