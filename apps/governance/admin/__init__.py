from __future__ import annotations

from . import approvals, people, records

__all__ = ["approvals", "people", "records"]
