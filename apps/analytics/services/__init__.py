from __future__ import annotations

from .exports import liquidity_export

__all__ = ["liquidity_export"]
