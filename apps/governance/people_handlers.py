"""Changes to people that a technical admin asks for and somebody else signs: a new second factor, other roles."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import Group, User
from django_otp.plugins.otp_totp.models import TOTPDevice
from django_otp_webauthn.models import WebAuthnCredential

from apps.core.exceptions import NotPermitted, Refused

from .choices import AccessPermission, Direction, SignInEnd
from .digest import JsonDict
from .handlers import ApprovalHandler, ChangeRow
from .models import ApprovalRequest, RecoveryCode
from .people import factors_of, recovery_codes_left
from .services.records import audit_record
from .services.sign_ins import sign_ins_end

ADMIN_ROLE = "technical_admin"


class _PersonHandler(ApprovalHandler):
    """The target is a person. Nobody signs what is about themselves, and no emergency allows it."""

    target_type = User._meta.label
    propose_permission = AccessPermission.MANAGE_PEOPLE.full
    allows_emergency = False

    def lock(self, target_id: str) -> None:
        if not User.objects.select_for_update().filter(pk=target_id).exists():
            raise Refused("There is no such person", code="no_target")

    def _person(self, target_id: str, signer: User) -> User:
        if str(signer.pk) == target_id:
            raise NotPermitted("Somebody else has to sign what is about you")
        return User.objects.get(pk=target_id)


class FactorResetHandler(_PersonHandler):
    """Takes every factor and recovery code away; the next right password leads to setting up a new one.

    It neither adds nor takes risk, so that compliance can sign it too: the boss may be who lost the phone.
    """

    other_needs = {"boss|risk": 1}

    def current(self, target_id: str) -> JsonDict:
        user = User.objects.get(pk=target_id)
        return {"factors": [each.kind for each in factors_of(user)], "codes_left": recovery_codes_left(user)}

    def validate(self, target_id: str, payload: JsonDict) -> None:
        if payload:
            raise Refused("A reset has nothing to say but whose factor", code="bad_payload")
        if not any(self.current(target_id).values()):
            raise Refused("This person has no second factor to reset", code="no_change")

    def describe(self, target_id: str, payload: JsonDict, current: JsonDict) -> list[ChangeRow]:
        name = User.objects.get(pk=target_id).get_username()
        held = ", ".join(current["factors"]) or "none"
        codes = str(current["codes_left"])
        return [
            ChangeRow(f"Second factors of {name}", "", held, "none, sets up a new one", Direction.NEUTRAL),
            ChangeRow(f"Recovery codes of {name}", "codes", codes, "0", Direction.NEUTRAL),
            ChangeRow(f"Where {name} is signed in", "", "stays", "signed out everywhere", Direction.NEUTRAL),
        ]

    def apply(self, target_id: str, payload: JsonDict, actor: User, now: datetime, request: ApprovalRequest) -> None:
        user = self._person(target_id, actor)
        before = self.current(target_id)
        for model in (TOTPDevice, WebAuthnCredential, RecoveryCode):
            model.objects.filter(user=user).delete()
        audit_record(
            actor=actor,
            action="people.factor.reset",
            obj_type=self.target_type,
            obj_id=target_id,
            before=before,
            after={"request": request.pk},
            reason=request.reason,
            now=now,
        )
        sign_ins_end(user=user, because=SignInEnd.RESET, now=now, actor=actor)


class RolesHandler(_PersonHandler):
    """Roles as they shall be. Whoever has to be shut out at once is made inactive, which one person may do."""

    def current(self, target_id: str) -> JsonDict:
        return {"roles": sorted(Group.objects.filter(user__id=target_id).values_list("name", flat=True))}

    def validate(self, target_id: str, payload: JsonDict) -> None:
        wanted = payload.get("roles")
        if set(payload) != {"roles"} or not isinstance(wanted, list) or wanted != sorted(set(wanted)):
            raise Refused("Roles come as a list of names, each once, in order", code="bad_payload")
        if unknown := set(wanted) - set(Group.objects.values_list("name", flat=True)):
            raise Refused(f"There is no role {sorted(unknown)[0]}", code="no_role", extra={"field": "roles"})
        if ADMIN_ROLE in wanted and len(wanted) > 1:
            raise Refused(
                "Who looks after people and keys holds no other role", code="mixed_roles", extra={"field": "roles"}
            )
        if wanted == self.current(target_id)["roles"]:
            raise Refused("These are the person's roles already", code="no_change", extra={"field": "roles"})

    def describe(self, target_id: str, payload: JsonDict, current: JsonDict) -> list[ChangeRow]:
        name = User.objects.get(pk=target_id).get_username()
        old, new = current["roles"], payload["roles"]
        before, after = (", ".join(roles) or "none" for roles in (old, new))
        return [ChangeRow(f"Roles of {name}", "", before, after, Direction.RAISES)]

    def apply(self, target_id: str, payload: JsonDict, actor: User, now: datetime, request: ApprovalRequest) -> None:
        user = self._person(target_id, actor)
        before = self.current(target_id)
        user.groups.set(Group.objects.filter(name__in=payload["roles"]))
        User.objects.filter(pk=user.pk).update(is_staff=bool(payload["roles"]))
        audit_record(
            actor=actor,
            action="people.roles.change",
            obj_type=self.target_type,
            obj_id=target_id,
            before=before,
            after=payload | {"request": request.pk},
            reason=request.reason,
            now=now,
        )
        sign_ins_end(user=user, because=SignInEnd.ROLE, now=now, actor=actor)
