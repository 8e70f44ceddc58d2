from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import QuerySet

from apps.core.exceptions import ApplicationError, Refused
from apps.core.permissions import is_holder

from .choices import ApprovalPath, ApprovalStatus, Direction, Permission
from .exceptions import RequestAltered
from .handlers import ChangeRow, handler_for
from .models import ApprovalRequest, ReviewItem, SignoffRule
from .signatures import require_intact
from .standing import Standing, barred_from, signed_rules, standing_of

COUNTERSIGNERS = 2


def approval_list_open(*, now: datetime) -> QuerySet[ApprovalRequest]:
    """Requests that can still be decided, newest first."""
    return ApprovalRequest.objects.filter(status=ApprovalStatus.OPEN, expires_at__gt=now).select_related("requester")


def approval_rows(request: ApprovalRequest) -> list[ChangeRow]:
    """Old against new as the signatures cover it. Requests from before signatures are described by their handler, and

    are empty when that is gone.
    """
    if request.rows:
        return [ChangeRow(**{**row, "direction": Direction(row["direction"])}) for row in request.rows]
    try:
        return handler_for(request.action).describe(request.target_id, request.payload, request.current)
    except ApplicationError:
        return []


def approval_standing(request: ApprovalRequest) -> Standing | None:
    """Who has signed and who is still needed; None when request or rules are not as they were signed."""
    try:
        return standing_of(request, require_intact(request))
    except ApplicationError:
        return None


def approval_can_vote(*, request: ApprovalRequest, user: User, now: datetime) -> bool:
    """Whether to offer the buttons; the service decides again."""
    is_open = request.status == ApprovalStatus.OPEN and request.expires_at > now
    return is_open and user.pk not in barred_from(request) and is_holder(user, Permission.APPROVE_CHANGE.full)


def approval_can_edit(*, request: ApprovalRequest, user: User, now: datetime) -> bool:
    """Whether to offer the edit; the service decides again."""
    if request.status != ApprovalStatus.OPEN or request.expires_at <= now:
        return False
    try:
        return is_holder(user, handler_for(request.action).propose_permission)
    except ApplicationError:
        return False


def approval_is_on_base(request: ApprovalRequest) -> bool:
    """Whether the target is still as it was when the request was worded."""
    try:
        return handler_for(request.action).current(request.target_id) == request.current
    except (ApplicationError, ObjectDoesNotExist):
        return False


def break_glass_outstanding() -> list[ApprovalRequest]:
    """Emergency changes that two other people have not signed yet, oldest first; nothing may be armed meanwhile."""
    made = ApprovalRequest.objects.filter(path=ApprovalPath.BREAK_GLASS).select_related("requester").order_by("id")
    return [request for request in made if _countersigned(request) < COUNTERSIGNERS]


def _countersigned(request: ApprovalRequest) -> int:
    try:
        return len({vote.voter_id for vote in require_intact(request)})
    except RequestAltered:
        return 0


def review_list(*, is_open: bool) -> QuerySet[ReviewItem]:
    """What one person did alone: still to be looked at, the most urgent first, or looked at, newest first."""
    items = ReviewItem.objects.select_related("opened_by", "reviewed_by")
    if is_open:
        return items.filter(reviewed_at=None).order_by("due_at")
    return items.exclude(reviewed_at=None).order_by("-reviewed_at")


def signoff_rule_list() -> QuerySet[SignoffRule]:
    """The rules in force."""
    return SignoffRule.objects.filter(retired_at=None).select_related("approval__requester")


def signoff_is_as_signed() -> bool:
    """Whether the table of rules says what the signed requests add up to."""
    try:
        return signed_rules() == {row.key: row.needs for row in SignoffRule.objects.filter(retired_at=None)}
    except Refused:
        return False
