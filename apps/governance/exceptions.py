"""Why an approval did not go through.

Refused
|- ApproverIsRequester   nobody decides on a request of their own
|- ApproverIsEditor      nor on what they were the last to edit
|- AlreadySigned         one person signs a revision once
|- NoApprover            nobody else could approve it
|- ApprovalClosed        already decided, withdrawn or expired
|- ReasonTooShort        a reason is part of the record
`- UnknownAction         no handler is registered for the action
Conflict
|- OpenRequestExists     the same change of the same target is already waiting
|- TargetChanged         the target is no longer as it was when the request was made
|- RevisionMoved         the request was edited since it was looked at
`- RequestAltered        the stored request does not match its digest
"""

from __future__ import annotations

from apps.core.exceptions import Conflict, Refused


class ApproverIsRequester(Refused):
    code = "approver_is_requester"


class ApproverIsEditor(Refused):
    code = "approver_is_editor"


class AlreadySigned(Refused):
    code = "already_signed"


class NoApprover(Refused):
    code = "no_approver"


class ApprovalClosed(Refused):
    code = "approval_closed"


class ReasonTooShort(Refused):
    code = "reason_too_short"


class UnknownAction(Refused):
    code = "unknown_action"


class OpenRequestExists(Conflict):
    code = "open_request_exists"


class TargetChanged(Conflict):
    code = "target_changed"


class RevisionMoved(Conflict):
    code = "revision_moved"


class RequestAltered(Conflict):
    code = "request_altered"
