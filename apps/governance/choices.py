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
    APPROVE_RISK_RAISE = "approve_risk_raise", "May approve a change that raises risk"

    @property
    def full(self) -> str:
        return f"governance.{self.value}"


class Direction(TextChoices):
    """What a changed value does to the risk we carry; unknown is treated as raising."""

    RAISES = "raises", "Raises risk"
    LOWERS = "lowers", "Lowers risk"
    UNCHANGED = "unchanged", "Unchanged"
    NEUTRAL = "neutral", "No effect on risk"
    UNKNOWN = "unknown", "Effect on risk unknown"
