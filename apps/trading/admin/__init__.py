from __future__ import annotations

from . import accounts, orders, requests, strategies

__all__ = ["accounts", "orders", "requests", "strategies"]
