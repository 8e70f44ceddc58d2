from __future__ import annotations

from . import approvals, compliance, people, proposals, records, reviews, sign_ins, work

__all__ = ["approvals", "compliance", "people", "proposals", "records", "reviews", "sign_ins", "work"]
