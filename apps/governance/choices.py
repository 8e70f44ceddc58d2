from __future__ import annotations

from django.db.models import TextChoices


class ApprovalStatus(TextChoices):
    OPEN = "open", "Open"
    APPLIED = "applied", "Approved and applied"
    REJECTED = "rejected", "Rejected"
    WITHDRAWN = "withdrawn", "Withdrawn"
    EXPIRED = "expired", "Expired"
    VOID = "void", "Void: altered behind our back"


class ApprovalPath(TextChoices):
    """How a change came into force: signed beforehand, or by one person with others looking at it afterwards."""

    SIGNED = "signed", "Signed"
    LOWERED = "lowered", "Lowered risk, by one person"
    BREAK_GLASS = "break_glass", "Emergency, by one person"


class LinkKind(TextChoices):
    BACKTEST = "backtest", "Backtest"
    SCENARIO = "scenario", "Scenario run"
    RESEARCH = "research", "Research report"
    FILE = "file", "File"
    NOTE = "note", "Note"


class ReviewKind(TextChoices):
    LOWERED = "lowered", "Risk lowered"
    STOPPED = "stopped", "Stopped"
    FALLBACK = "fallback", "Switched to the fallback"


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
    BREAK_GLASS = "break_glass", "May change something alone in an emergency"

    @property
    def full(self) -> str:
        return f"governance.{self.value}"


class AccessPermission(TextChoices):
    SEE = "see_everything", "May see everything but secrets"
    MANAGE_PEOPLE = "manage_people", "May make people and propose their roles and new second factors"
    EXPORT_METRICS = "export_metrics", "May export metrics"
    EXPORT_AUDIT = "export_audit", "May export the audit chain"

    @property
    def full(self) -> str:
        return f"governance.{self.value}"


class SignInEnd(TextChoices):
    SIGNED_OUT = "signed_out", "Signed out"
    IDLE = "idle", "Nothing done for too long"
    TOO_LONG = "too_long", "Signed in for too long"
    PASSWORD = "password", "Password changed"
    FACTOR = "factor", "Second factor changed"
    RESET = "reset", "Second factor reset"
    ROLE = "role", "Role changed"
    BY_OWNER = "by_owner", "Ended from another browser"


class Direction(TextChoices):
    """What a changed value does to the risk we carry; unknown is treated as raising."""

    RAISES = "raises", "Raises risk"
    LOWERS = "lowers", "Lowers risk"
    UNCHANGED = "unchanged", "Unchanged"
    NEUTRAL = "neutral", "No effect on risk"
    UNKNOWN = "unknown", "Effect on risk unknown"


class ProposalPermission(TextChoices):
    WRITE = "write_proposal", "May write redesign proposals, their evidence and their tasks"
    COMMENT = "write_comment", "May comment"
    CHOOSE = "choose_direction", "May choose the direction of a redesign"

    @property
    def full(self) -> str:
        return f"governance.{self.value}"


class ProposalStatus(TextChoices):
    DRAFT = "draft", "Draft"
    EVIDENCE = "evidence", "Collecting evidence"
    DECISION = "decision", "Waiting for a decision"
    IMPLEMENTING = "implementing", "Implementing"
    WATCHING = "watching", "Watching the result"
    CLOSED = "closed", "Closed"


class ProposalEvidenceKind(TextChoices):
    REPORT = "report", "Report"
    MEASUREMENT = "measurement", "Measurement"
    RECORDING = "recording", "Recorded books"
    BACKTEST = "backtest", "Backtest"
    SCENARIO = "scenario", "Scenario run"
    DOCUMENT = "document", "Other document"


class WorkStatus(TextChoices):
    TODO = "todo", "Not started"
    DOING = "doing", "In progress"
    WAITING = "waiting", "Waiting"
    DONE = "done", "Done"
    DROPPED = "dropped", "Dropped"


class CompliancePermission(TextChoices):
    WORK_INCIDENTS = "work_incidents", "May open and work incidents and write lessons"
    PUBLISH_TERMS = "publish_terms", "May publish terms and review wording flags"

    @property
    def full(self) -> str:
        return f"governance.{self.value}"


class IncidentStatus(TextChoices):
    OPEN = "open", "Open"
    ACKNOWLEDGED = "acknowledged", "Acknowledged"
    MITIGATED = "mitigated", "Mitigated"
    CLOSED = "closed", "Closed"


class EntryKind(TextChoices):
    NOTE = "note", "Note"
    CAUSE = "cause", "Cause"
    ACTION = "action", "Action"
    EVENT = "event", "Event"
    STATE = "state", "State"


class TextSource(TextChoices):
    """Who wrote a text that holds a banned word."""

    EXCHANGE = "exchange", "The exchange"
    PERSON = "person", "A person"
    PLATFORM = "platform", "The platform"


class AuditScope(TextChoices):
    FULL = "full", "The whole chain"
    RECENT = "recent", "The newest rows"
    SINCE = "since", "From a row on"


class AuditResult(TextChoices):
    INTACT = "intact", "Intact"
    BROKEN = "broken", "Broken"
    INCOMPLETE = "incomplete", "Not fully checked"
