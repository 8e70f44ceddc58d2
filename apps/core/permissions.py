"""Who holds a right by grant: through a group or personally. Being a superuser grants nothing here."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db.models import QuerySet

from .exceptions import NotPermitted

_BACKEND = "django.contrib.auth.backends.ModelBackend"


def holders(permission: str) -> QuerySet[User]:
    """Active people who were given `permission` ("app.codename")."""
    return get_user_model().objects.with_perm(permission, backend=_BACKEND, include_superusers=False)


def is_holder(user: User, permission: str) -> bool:
    return user.pk is not None and holders(permission).filter(pk=user.pk).exists()


def require(user: User | None, permission: str) -> User:
    """The user, or `NotPermitted` naming the missing right."""
    if user is None or not is_holder(user, permission):
        raise NotPermitted(f"This needs the right {permission}", extra={"permission": permission})
    return user
