"""Leases with fencing tokens: at most one holder at a time, decided by the database alone.

A holder renews well before expiry; one that finds its lease gone must stop at once, because another may have begun.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, connection, transaction
from django.db.models import F

from .exceptions import Refused
from .models import Lease

LEASE_SECONDS = 5.0
_CHECK = f"SELECT 1 FROM {Lease._meta.db_table} WHERE name = %s AND token = %s AND expires_at > %s"  # noqa: S608


class LeaseLost(Refused):
    """Somebody else holds the lease, or it ran out."""

    code = "lease_lost"


def lease_acquire(*, name: str, holder: str, now: datetime, seconds: float = LEASE_SECONDS) -> int | None:
    """The new fencing token, or None while somebody else's lease is still valid."""
    expires_at = now + timedelta(seconds=seconds)
    taken = Lease.objects.filter(name=name, expires_at__lte=now).update(
        holder=holder, token=F("token") + 1, expires_at=expires_at
    )
    if taken:
        # Only the row just taken can carry this holder and expiry; a rival's update would have found it valid.
        return Lease.objects.get(name=name).token
    try:
        with transaction.atomic():
            return Lease.objects.create(name=name, holder=holder, token=1, expires_at=expires_at).token
    except IntegrityError:
        return None


def lease_renew(*, name: str, token: int, now: datetime, seconds: float = LEASE_SECONDS) -> None:
    """Raises `LeaseLost` if the token is no longer the current one or the lease has run out."""
    renewed = Lease.objects.filter(name=name, token=token, expires_at__gt=now).update(
        expires_at=now + timedelta(seconds=seconds)
    )
    if not renewed:
        raise LeaseLost(f"lease {name} #{token} is no longer ours")


def lease_check(*, name: str, token: int, now: datetime) -> None:
    """The same question without renewing, for the transaction that commits an intent; hence plain SQL."""
    expires = Lease._meta.get_field("expires_at").get_db_prep_value(now, connection)
    with connection.cursor() as cursor:
        cursor.execute(_CHECK, [name, token, expires])
        if cursor.fetchone() is None:
            raise LeaseLost(f"lease {name} #{token} is no longer ours")


def lease_release(*, name: str, token: int, now: datetime) -> None:
    """Gives the lease back so that the next holder need not wait; harmless if it is already lost."""
    Lease.objects.filter(name=name, token=token).update(expires_at=now)


def lease_is_held(*, name: str, now: datetime) -> bool:
    return Lease.objects.filter(name=name, expires_at__gt=now).exists()
