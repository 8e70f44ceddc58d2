from __future__ import annotations

from . import accounts, desk, ladder, ledger, orders, requests, strategies

__all__ = ["accounts", "desk", "ladder", "ledger", "orders", "requests", "strategies"]
