"""The venue's error bodies, four shapes, mapped to typed errors by `code` (Kalshi docs: errors, rate limits).

nested `{"error":{code,message,details}}`, flat `{code,message,details}`, bare `{"msg":..}`, and for 429
`{"error":"too many requests"}`. The status alone never decides between refusals: 409 has four meanings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from apps.gateway import errors as e
from apps.gateway.kalshi.fields import DECODE_ERRORS

_MAX_TEXT = 500

# Matched as prefixes, because some codes carry a suffix such as `user_not_found:_<uuid>`.
_BY_CODE: tuple[tuple[str, type[e.VenueRejected]], ...] = (
    ("insufficient_balance", e.InsufficientBalance),
    ("available_balance_too_low", e.InsufficientBalance),
    ("invalid_price", e.InvalidPrice),
    ("invalid_order", e.InvalidOrder),
    ("order_already_exists", e.OrderAlreadyExists),
    ("fill_or_kill_insufficient_resting_volume", e.FokUnfilled),
    ("trading_is_paused", e.TradingPaused),
    ("exchange_is_paused", e.ExchangePaused),
    ("market_closed", e.MarketClosed),
    ("market_inactive", e.MarketClosed),
    ("market_already_closed", e.MarketClosed),
    ("order_not_found", e.OrderNotFound),
    ("not_found", e.NotFound),
    ("market_not_found", e.NotFound),
    ("authentication_error", e.AuthenticationFailed),
    ("signature_is_missing_from_headers", e.AuthenticationFailed),
    ("header_timestamp_expired", e.ClockSkew),
    ("deprecated_v1_order_endpoint", e.DeprecatedEndpoint),
    ("permission_denied", e.Forbidden),
    ("subaccount_creation_requires", e.Forbidden),
    ("exceeded_order_group_risk_limit", e.GroupTriggered),
    ("order_group_triggered", e.GroupTriggered),
    ("order_group_not_found", e.GroupNotFound),
    ("self_cross_attempt", e.SelfTrade),
    ("bad_request", e.InvalidRequest),
    ("missing_parameters", e.InvalidRequest),
    ("invalid_parameters", e.InvalidRequest),
    ("order_id_and_client_order_id_mismatch", e.InvalidRequest),
    ("order_side_mismatch", e.InvalidRequest),
    ("order_ticker_mismatch", e.InvalidRequest),
)
NO_VERDICT = "exchange_unavailable"
"""The venue's way to say that it does not know whether it acted."""
# Only for codes we do not know, and only where the status has one meaning.
_BY_STATUS = {401: e.AuthenticationFailed, 403: e.Forbidden, 410: e.DeprecatedEndpoint}


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """The words of a refusal, whichever shape they came in; `code` is lower case."""

    code: str
    message: str = ""
    details: str = ""


def _text(value: Any) -> str:
    return value[:_MAX_TEXT] if isinstance(value, str) else ""


def read_error_body(data: bytes) -> ErrorBody | None:
    """The body's words, or None when it is none of the four shapes."""
    try:
        body = msgspec.json.decode(data)
    except DECODE_ERRORS:
        return None
    if not isinstance(body, dict):
        return None
    inner = body.get("error", body)
    if isinstance(inner, str):
        return ErrorBody(inner[:_MAX_TEXT].lower().replace(" ", "_"), inner[:_MAX_TEXT])
    if not isinstance(inner, dict):
        return None
    if isinstance(inner.get("code"), str):
        return ErrorBody(_text(inner["code"]).lower(), _text(inner.get("message")), _text(inner.get("details")))
    if isinstance(body.get("msg"), str):
        return ErrorBody("", _text(body["msg"]))
    return None


def rejection(status: int, body: ErrorBody, *, about_order: bool = False) -> e.VenueRejected:
    """The typed refusal for a code; an unknown code stays a plain `VenueRejected` with its words."""
    kind = next((k for prefix, k in _BY_CODE if body.code.startswith(prefix)), None)
    if kind is e.InvalidOrder and "post only cross" in body.details.lower():
        kind = e.PostOnlyCross
    if kind is e.NotFound and about_order:
        kind = e.OrderNotFound
    if kind is None:
        kind = _BY_STATUS.get(status, e.VenueRejected if body.code else e.InvalidRequest)
    return kind(body.message, status=status, code=body.code, details=body.details)


def error_of(status: int, data: bytes, *, is_write: bool, about_order: bool = False) -> e.GatewayError:
    """The typed error for an answer that is not a success.

    1. 5xx, or "I cannot say", to a write: `ServerFailed`; 5xx to a read: `ReadFailed`.
    2. Unreadable to a write: `UndecodableReply`, whatever the status; to a read: `ReadFailed`.
    3. "Too many requests": `RateLimited`.
    4. Otherwise a `VenueRejected`.
    """
    body = read_error_body(data)
    words = f"HTTP {status}" if body is None else f"HTTP {status}: {body.code} {body.message}".strip()
    if status >= 500 or (body is not None and body.code.startswith(NO_VERDICT)):
        return e.ServerFailed(words) if is_write else e.ReadFailed(words)
    if body is None or not 400 <= status < 500:
        return e.UndecodableReply(words) if is_write else e.ReadFailed(words)
    if body.code.startswith("too_many_requests"):
        return e.RateLimited(words)
    return rejection(status, body, about_order=about_order)
