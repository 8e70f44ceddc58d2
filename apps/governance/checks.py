"""Four eyes need two people; asked at deploy time (`manage.py check --deploy` or `--tag governance --deploy`)."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, Warning, register
from django.db import DatabaseError

from apps.core.permissions import holders

from .choices import Permission


@register("governance", deploy=True)
def two_approvers(**_: Any) -> list[CheckMessage]:
    """governance.E001: fewer than two active people may approve; governance.W001: the database could not say."""
    right = Permission.APPROVE_CHANGE.full
    try:
        count = holders(right).count()
    except DatabaseError as error:
        return [Warning(f"Approvers could not be counted: {type(error).__name__}", id="governance.W001")]
    if count >= 2:
        return []
    return [
        Error(
            f"{count} active people hold {right}; a proposal of one could never be approved by another",
            hint="Give a second person a role that may approve (manage.py seed_demo on a new installation).",
            id="governance.E001",
        )
    ]
