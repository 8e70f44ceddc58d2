from __future__ import annotations

from . import accounts, orders, strategies

__all__ = ["accounts", "orders", "strategies"]
