"""Errors of trading.

Refused
|- TradingBlocked     the state in the database does not allow new orders
|- CodeMismatch       the running decision code is not the configured one
`- CredentialsMissing no usable key for the venue
"""

from __future__ import annotations

from apps.core.exceptions import Refused


class TradingBlocked(Refused):
    code = "trading_blocked"


class CodeMismatch(Refused):
    code = "code_mismatch"


class CredentialsMissing(Refused):
    code = "credentials_missing"


class OrdersRemain(Refused):
    """Orders of the account could not be taken off the book, so no session may begin on it."""

    code = "orders_remain"
