"""Errors of market data.

Refused
|- GridInvalid           the market's price ranges make no grid; it must not be quoted
|- KeyNotConfigured      no usable Kalshi key in the settings
`- MarketUnknown         the catalogue has no such market
ApplicationError
`- RecorderStopped       the recording thread died; the session ends and is started again
"""

from __future__ import annotations

from apps.core.exceptions import ApplicationError, Refused


class GridInvalid(Refused):
    """Blocks quoting until the exchange's next good price ranges."""

    code = "grid_invalid"


class KeyNotConfigured(Refused):
    """The key id or the key file is missing, unreadable or not a key; the text never quotes the key."""

    code = "kalshi_key_not_configured"


class MarketUnknown(Refused):
    """Not in the catalogue (yet)."""

    code = "market_unknown"


class RecorderStopped(ApplicationError):
    """A session that records nothing must not go on."""

    code = "recorder_stopped"
