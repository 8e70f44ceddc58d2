"""How a signed change of the table of needed signatures is carried out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib.auth.models import Group

from apps.core.exceptions import Refused

from .choices import Direction, Permission
from .digest import JsonDict
from .handlers import ApprovalHandler, ChangeRow, EditField, actions, handler_for
from .models import ApprovalRequest, SignoffRule
from .quorum import MAX_SIGNERS, alternatives, checked_needs
from .services.records import audit_record
from .standing import SIGNOFF_CHANGE, signers

if TYPE_CHECKING:
    from django.contrib.auth.models import User

ENVIRONMENTS = ("simulated", "paper", "demo", "live")
DIRECTIONS = (Direction.RAISES, Direction.LOWERS, Direction.NEUTRAL)
_PATTERN = re.compile(r"[a-z*][a-z_.*]{0,79}")


class SignoffHandler(ApprovalHandler):
    """Whatever it does to the numbers, a change of who must sign counts as raising risk, and no emergency allows it."""

    target_type = SignoffRule._meta.label
    propose_permission = Permission.PROPOSE_CHANGE.full
    allows_emergency = False

    def lock(self, target_id: str) -> None:
        parse_key(target_id)
        list(SignoffRule.objects.select_for_update().filter(retired_at=None))

    def current(self, target_id: str) -> JsonDict:
        row = _row(target_id)
        return {"rule": row.pk if row else None, "needs": row.needs if row else None}

    def validate(self, target_id: str, payload: JsonDict) -> None:
        parse_key(target_id)
        if set(payload) != {"needs"}:
            raise Refused("A rule has its needs and nothing else", code="bad_payload")
        row = _row(target_id)
        if (row.needs if row else None) == payload["needs"]:
            raise Refused("That is the rule already", code="no_change")
        if payload["needs"] is not None:
            _require_people(target_id, checked_needs(payload["needs"]))
            if checked_needs(payload["needs"]) != payload["needs"]:
                raise Refused("Name the alternatives of a need in alphabetical order", code="bad_needs")

    def describe(self, target_id: str, payload: JsonDict, current: JsonDict) -> list[ChangeRow]:
        old, new = current["needs"] or {}, payload["needs"] or {}
        words = rule_words(target_id)
        return [
            ChangeRow(
                f"{words}: {role.replace('|', ' or ')}",
                "signatures",
                str(old.get(role, 0)),
                str(new.get(role, 0)),
                Direction.UNCHANGED if old.get(role) == new.get(role) else Direction.RAISES,
                f"0 to {MAX_SIGNERS}",
            )
            for role in sorted({*old, *new})
        ]

    def apply(self, target_id: str, payload: JsonDict, actor: User, now: datetime, request: ApprovalRequest) -> None:
        action, environment, direction = parse_key(target_id)
        before = self.current(target_id)
        SignoffRule.objects.filter(pk=before["rule"]).update(retired_at=now)
        if payload["needs"] is not None:
            SignoffRule.objects.create(
                action=action,
                environment=environment,
                direction=direction,
                needs=payload["needs"],
                approval=request,
                put_at=now,
            )
        audit_record(
            actor=actor,
            action=SIGNOFF_CHANGE,
            obj_type=self.target_type,
            obj_id=target_id,
            before={"needs": before["needs"]},
            after={
                "needs": payload["needs"],
                "approval": request.pk,
                "requester": request.requester.get_username(),
            },
            reason=request.reason,
            now=now,
        )

    def environment(self, target_id: str) -> str:
        return parse_key(target_id)[1]

    def base_version(self, current: JsonDict) -> str:
        return f"rule {current['rule']}" if current["rule"] else "no rule"

    def fields(self, target_id: str, payload: JsonDict) -> list[EditField]:
        needs = payload["needs"] or {}
        return [
            EditField(role, f"Signatures of {role}", str(needs.get(role, 0)), "signatures", f"0 to {MAX_SIGNERS}")
            for role in sorted({*approving_roles(), *needs})
        ]

    def edited(self, target_id: str, payload: JsonDict, values: Mapping[str, str]) -> JsonDict:
        return {"needs": needs_typed(values)} if values else payload


def parse_key(target_id: str) -> tuple[str, str, str]:
    """Action pattern, environment, direction; raises `Refused`."""
    parts = target_id.split(":")
    if len(parts) != 3 or not _PATTERN.fullmatch(parts[0]):
        raise Refused("A rule names an action or a pattern of them, e.g. risk.limit.*", extra={"field": "action"})
    if parts[1] not in ("", *ENVIRONMENTS):
        raise Refused(f"There is no environment {parts[1]!r}", extra={"field": "environment"})
    if parts[2] not in ("", *DIRECTIONS):
        raise Refused(f"There is no direction {parts[2]!r}", extra={"field": "direction"})
    return parts[0], parts[1], parts[2]


def rule_words(key: str) -> str:
    """ "risk.limit.*, live, raises risk"; what is empty is said as "any"."""
    action, environment, direction = parse_key(key)
    return ", ".join(
        (action, environment or "any environment", Direction(direction).label.lower() if direction else "any direction")
    )


def needs_words(needs: Mapping[str, int]) -> str:
    """ "1 boss, 1 boss or risk"."""
    return ", ".join(f"{count} {need.replace('|', ' or ')}" for need, count in needs.items())


def built_in_rules() -> list[tuple[str, str, str]]:
    """Action, what it needs when it raises risk, and what otherwise; the table can only add to these."""
    found = [(action, handler_for(action)) for action in sorted(actions())]
    return [(action, needs_words(h.raising_needs), needs_words(h.other_needs)) for action, h in found]


def needs_typed(values: Mapping[str, str]) -> dict[str, int] | None:
    """Needs from what was typed per role; zero leaves a role out, all zero retires the rule. Raises `Refused`."""
    needs = {}
    for role, typed in values.items():
        text = typed.strip() or "0"
        if not text.isascii() or not text.isdigit() or int(text) > MAX_SIGNERS:
            raise Refused(f"{role}: a number from 0 to {MAX_SIGNERS}", code="bad_needs", extra={"field": role})
        if int(text):
            needs[role] = int(text)
    return needs or None


def approving_roles() -> list[str]:
    """The roles whose people may approve at all."""
    app, codename = Permission.APPROVE_CHANGE.full.split(".")
    found = Group.objects.filter(permissions__content_type__app_label=app, permissions__codename=codename)
    return sorted(found.values_list("name", flat=True))


def _require_people(key: str, needs: Mapping[str, int]) -> None:
    people = signers(raising=parse_key(key)[2] in ("", Direction.RAISES)).values()
    for need, count in needs.items():
        if unknown := alternatives(need) - set(approving_roles()):
            raise Refused(f"Nobody signs as {', '.join(sorted(unknown))}", code="bad_needs", extra={"field": "needs"})
        held = sum(person.fits(need) for person in people)
        if held < count:
            words = f"{held} active people sign as {need.replace('|', ' or ')}; a rule cannot ask for {count}"
            raise Refused(words, code="bad_needs", extra={"field": "needs"})


def _row(target_id: str) -> SignoffRule | None:
    action, environment, direction = parse_key(target_id)
    return SignoffRule.objects.filter(
        action=action, environment=environment, direction=direction, retired_at=None
    ).first()
