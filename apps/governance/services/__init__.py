from __future__ import annotations

from .approvals import approval_expire_due, approval_request, approval_vote, approval_withdraw, checked_reason
from .records import audit_record, system_event_record

__all__ = [
    "approval_expire_due",
    "approval_request",
    "approval_vote",
    "approval_withdraw",
    "audit_record",
    "checked_reason",
    "system_event_record",
]
