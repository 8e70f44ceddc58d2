"""The exchange's order groups as we know them, so that a restart finds its own again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from apps.trading.models import OrderGroup


@dataclass(frozen=True, slots=True)
class StoredGroup:
    venue_group_id: str
    exchange_index: int
    slot: int
    contracts_limit: int
    is_triggered: bool


def groups_stored(*, account_id: int) -> list[StoredGroup]:
    """The account's groups in order of shard and slot."""
    rows = OrderGroup.objects.filter(account_id=account_id).order_by("exchange_index", "slot")
    return [StoredGroup(r.venue_group_id, r.exchange_index, r.slot, r.contracts_limit, r.is_triggered) for r in rows]


def groups_store(*, account_id: int, groups: Sequence[StoredGroup], now: datetime) -> None:
    """Replaces the account's groups by these: those the exchange no longer has are forgotten."""
    with transaction.atomic():
        OrderGroup.objects.filter(account_id=account_id).exclude(
            venue_group_id__in=[g.venue_group_id for g in groups]
        ).delete()
        for group in groups:
            OrderGroup.objects.update_or_create(
                account_id=account_id,
                venue_group_id=group.venue_group_id,
                defaults={
                    "exchange_index": group.exchange_index,
                    "slot": group.slot,
                    "contracts_limit": group.contracts_limit,
                    "is_triggered": group.is_triggered,
                    "updated_at": now,
                },
                create_defaults={
                    "exchange_index": group.exchange_index,
                    "slot": group.slot,
                    "contracts_limit": group.contracts_limit,
                    "is_triggered": group.is_triggered,
                    "created_at": now,
                    "updated_at": now,
                },
            )
