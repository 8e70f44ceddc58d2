from __future__ import annotations

from .approval_edits import approval_edit, approval_rebase
from .approval_schedule import approval_apply_due, approval_expire_due
from .approvals import approval_request, approval_vote, approval_withdraw
from .break_glass import (
    break_glass_countersign,
    break_glass_instead,
    break_glass_tell_overdue,
    change_break_glass,
)
from .drafts import checked_reason
from .records import audit_record, system_event_record
from .reviews import review_close, review_open, review_open_for_stops, review_tell_overdue
from .signoff import signoff_change_request, signoff_verify

__all__ = [
    "approval_apply_due",
    "approval_edit",
    "approval_expire_due",
    "approval_rebase",
    "approval_request",
    "approval_vote",
    "approval_withdraw",
    "audit_record",
    "break_glass_countersign",
    "break_glass_instead",
    "break_glass_tell_overdue",
    "change_break_glass",
    "checked_reason",
    "review_close",
    "review_open",
    "review_open_for_stops",
    "review_tell_overdue",
    "signoff_change_request",
    "signoff_verify",
    "system_event_record",
]
