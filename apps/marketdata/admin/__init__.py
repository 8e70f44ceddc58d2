from __future__ import annotations

from . import catalogue, feeds

__all__ = ["catalogue", "feeds"]
