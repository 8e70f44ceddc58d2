from __future__ import annotations

from django.db.models import TextChoices


class ApprovalStatus(TextChoices):
    OPEN = "open", "Open"
    APPLIED = "applied", "Approved and applied"
    REJECTED = "rejected", "Rejected"
    WITHDRAWN = "withdrawn", "Withdrawn"
    EXPIRED = "expired", "Expired"


class Vote(TextChoices):
    APPROVE = "approve", "Approve"
    REJECT = "reject", "Reject"


class Severity(TextChoices):
    INFO = "info", "Info"
    WARNING = "warning", "Warning"
    CRITICAL = "critical", "Critical"


class Permission(TextChoices):
    PROPOSE_CHANGE = "propose_change", "May propose a change"
    APPROVE_CHANGE = "approve_change", "May approve a change proposed by somebody else"
