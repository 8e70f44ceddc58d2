from .approvals import ApprovalEvidence, ApprovalRequest, ApprovalRevision, ApprovalVote
from .audit import AuditAnchor, AuditEvent, AuditHead, AuditPlace, AuditVerification
from .compliance import (
    EmploymentAttestation,
    Incident,
    IncidentAction,
    IncidentEntry,
    Lesson,
    LessonLink,
    TermsAcknowledgement,
    TermsVersion,
    WordingFlag,
)
from .events import SystemEvent
from .people import OneTimePassword, RecoveryCode, SignIn
from .proposals import (
    EvidenceSlot,
    FallbackSwitch,
    OptionResult,
    ProposalDecision,
    ProposalEvidence,
    ProposalOption,
    RedesignProposal,
)
from .signoff import ReviewItem, SignoffRule
from .work import Comment, WorkItem

__all__ = [
    "ApprovalEvidence",
    "ApprovalRequest",
    "ApprovalRevision",
    "ApprovalVote",
    "AuditAnchor",
    "AuditEvent",
    "AuditHead",
    "AuditPlace",
    "AuditVerification",
    "Comment",
    "EmploymentAttestation",
    "EvidenceSlot",
    "FallbackSwitch",
    "Incident",
    "IncidentAction",
    "IncidentEntry",
    "Lesson",
    "LessonLink",
    "OneTimePassword",
    "OptionResult",
    "ProposalDecision",
    "ProposalEvidence",
    "ProposalOption",
    "RecoveryCode",
    "RedesignProposal",
    "ReviewItem",
    "SignIn",
    "SignoffRule",
    "SystemEvent",
    "TermsAcknowledgement",
    "TermsVersion",
    "WordingFlag",
    "WorkItem",
]
