"""Roles: which group holds which rights. The table is code; the database is made to match it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.contrib.auth.models import Group, Permission, User
from django.db import transaction

from apps.core.exceptions import Refused
from apps.governance.models import OneTimePassword

from .records import audit_record


class UnknownPermission(Refused):
    """A role names a right that no model declares."""

    code = "unknown_permission"


def roles_sync(*, roles: Mapping[str, Iterable[str]], now: datetime, actor_label: str) -> list[str]:
    """Makes each group hold exactly the rights ("app.codename") of the table; returns the groups that changed.

    Groups that are not in the table are left alone. Raises `UnknownPermission`; then nothing has changed.
    """
    ids = {
        f"{app}.{codename}": pk
        for pk, app, codename in Permission.objects.values_list("pk", "content_type__app_label", "codename")
    }
    changed = []
    with transaction.atomic():
        for name, permissions in roles.items():
            wanted = set(permissions)
            if missing := wanted - set(ids):
                raise UnknownPermission(f"Role {name} names rights that do not exist: {sorted(missing)}")
            if _set_rights(name, wanted, ids, now, actor_label):
                changed.append(name)
    return changed


def _set_rights(name: str, wanted: set[str], ids: Mapping[str, int], now: datetime, actor_label: str) -> bool:
    group, _ = Group.objects.get_or_create(name=name)
    names = {pk: permission for permission, pk in ids.items()}
    held = {names[pk] for pk in group.permissions.values_list("pk", flat=True)}
    if held == wanted:
        return False
    group.permissions.set([ids[permission] for permission in wanted])
    audit_record(
        actor=None,
        actor_label=actor_label,
        action="people.role.sync",
        obj_type=Group._meta.label,
        obj_id=group.pk,
        before={"rights": sorted(held)},
        after={"role": name, "rights": sorted(wanted)},
        now=now,
    )
    return True


def person_create(*, username: str, password: str, role: str, now: datetime, actor_label: str) -> User | None:
    """A member of staff with one role, or None when the name is taken; an existing person is never changed.

    The password is good for one sign-in: the person must then choose another.
    """
    with transaction.atomic():
        if User.objects.filter(username=username).exists():
            return None
        user = User.objects.create_user(username=username, password=password, is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        OneTimePassword.objects.create(user=user, password=user.password)
        audit_record(
            actor=None,
            actor_label=actor_label,
            action="people.user.create",
            obj_type=User._meta.label,
            obj_id=user.pk,
            after={"username": username, "role": role},
            now=now,
        )
    return user
