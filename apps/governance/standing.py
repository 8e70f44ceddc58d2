"""Who has to sign a request, who has, and who still can: read anew each time, since people and rules change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from apps.core.exceptions import Refused
from apps.core.permissions import holders

from .choices import ApprovalStatus, Direction, Permission
from .exceptions import RequestAltered
from .handlers import handler_for
from .models import ApprovalRequest, ApprovalVote, SignoffRule
from .quorum import Needs, Signer, missing, strictest, with_stand_ins
from .signatures import require_intact

SIGNOFF_CHANGE = "governance.signoff.change"


@dataclass(frozen=True, slots=True)
class Standing:
    """`needs` and `missing` map roles to people; `able` are those whose signature would fill a missing place."""

    needs: dict[str, int]
    missing: dict[str, int]
    signed: tuple[Signer, ...]
    able: tuple[Signer, ...]
    is_reachable: bool

    @property
    def is_complete(self) -> bool:
        return not self.missing


def signers(*, raising: bool) -> dict[int, Signer]:
    """Everybody active who may approve, by user id.

    For a change that raises risk the roles of those without the right to raise do not count; they can only stand in.
    """
    people = holders(Permission.APPROVE_CHANGE.full).prefetch_related("groups")
    may_raise = set(holders(Permission.APPROVE_RISK_RAISE.full).values_list("pk", flat=True)) if raising else set()
    return {
        person.pk: Signer(
            person.pk,
            person.get_username(),
            frozenset(group.name for group in person.groups.all())
            if not raising or person.pk in may_raise
            else frozenset(),
        )
        for person in people
    }


def standing_of(request: ApprovalRequest, votes: Iterable[ApprovalVote]) -> Standing:
    """`votes` are genuine signatures under the present revision; those of people who may no longer sign do not count.

    Raises `Refused` when a rule cannot be read.
    """
    people, barred = signers(raising=is_raising(request)), barred_from(request)
    able = [signer for pk, signer in people.items() if pk not in barred]
    needs = with_stand_ins(needs_of(request), able, [people[pk] for pk in barred if pk in people])
    voters = {vote.voter_id for vote in votes}
    signed = [signer for signer in able if signer.user_id in voters]
    lacking = missing(needs, signed)
    others = [signer for signer in able if signer not in signed and _fills(needs, signed, signer, lacking)]
    return Standing(needs, lacking, tuple(signed), tuple(others), not missing(needs, able))


def is_raising(request: ApprovalRequest) -> bool:
    return request.risk not in (Direction.LOWERS, Direction.NEUTRAL)


def barred_from(request: ApprovalRequest) -> frozenset[int]:
    return frozenset((request.requester_id, request.editor_id))


def needs_of(request: ApprovalRequest) -> dict[str, int]:
    """The strictest of the built-in needs and every rule that matches; the rules can only add."""
    handler = handler_for(request.action)
    built_in = handler.raising_needs if is_raising(request) else handler.other_needs
    return strictest([built_in, *(needs for key, needs in rules_in_force() if _matches(key, request))])


def rules_in_force() -> list[tuple[str, Needs]]:
    """Key ("action:environment:direction") and needs, from the table and from the requests that were applied.

    Both are asked, so that a row taken out or weakened without a request changes nothing.
    """
    rows = SignoffRule.objects.filter(retired_at=None)
    return [*((row.key, row.needs) for row in rows), *signed_rules().items()]


def signed_rules() -> dict[str, Needs]:
    """What the applied requests add up to; the table should say the same.

    Raises `Refused` when the latest of a key does not carry the signatures it was applied with: then nothing else may
    be applied either, until people have found out why.
    """
    applied = ApprovalRequest.objects.filter(action=SIGNOFF_CHANGE, status=ApprovalStatus.APPLIED)
    latest = {request.target_id: request for request in applied.order_by("closed_at", "id")}
    for request in latest.values():
        if not _is_signed(request):
            words = f"Request {request.pk} made a rule of signatures and is not as it was signed"
            raise Refused(words, code="signoff_altered")
    return {key: request.payload["needs"] for key, request in latest.items() if request.payload["needs"] is not None}


def _is_signed(request: ApprovalRequest) -> bool:
    try:
        return bool(require_intact(request))
    except RequestAltered:
        return False


def _matches(key: str, request: ApprovalRequest) -> bool:
    """An empty part matches everything; so does a request that reaches every environment."""
    action, environment, direction = key.split(":")
    risk = Direction.RAISES.value if is_raising(request) else str(request.risk)
    return (
        fnmatchcase(request.action, action)
        and (not environment or not request.environment or environment == request.environment)
        and (not direction or direction == risk)
    )


def _fills(needs: Needs, signed: list[Signer], signer: Signer, lacking: Needs) -> bool:
    return sum(missing(needs, [*signed, signer]).values()) < sum(lacking.values())
