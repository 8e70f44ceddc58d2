"""Changing one's own password."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from apps.governance.choices import SignInEnd

from .records import audit_record
from .sign_ins import sign_ins_end


@transaction.atomic
def password_change(*, user: User, password: str, now: datetime, keep: str | None = None) -> None:
    """Ends every sign-in of the person except that of session key `keep`. The caller has checked the new password."""
    user.set_password(password)
    user.save(update_fields=["password"])
    audit_record(actor=user, action="people.password.change", obj_type=User._meta.label, obj_id=user.pk, now=now)
    sign_ins_end(user=user, because=SignInEnd.PASSWORD, now=now, actor=user, keep=keep)
