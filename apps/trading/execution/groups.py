"""The exchange's order groups that every resting order stands in.

A group is the exchange's own brake on us (more contracts matched within 15 seconds than its limit, and it cancels all
of its orders and takes no more) and the handle by which a kill takes hundreds of orders off with one request. An
account has at most ten: triggering them all must fit into the reserved tokens of any tier.
"""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from apps.engine.limits import TradingState
from apps.engine.ports import VenueGroup
from apps.engine.types import QUANTITY_SCALE, Ticker
from apps.gateway.errors import GatewayError
from apps.governance.choices import Severity
from apps.risk.choices import Scope
from apps.risk.services import kill_switch_trip
from apps.trading.services.groups import StoredGroup, groups_store, groups_stored

from .context import SessionContext
from .incidents import Incidents

log = logging.getLogger(__name__)

MAX_GROUPS = 10
# A group belongs to one shard of the exchange. Four and two for each of the three others make ten.
SLOTS_ON_FIRST_SHARD, SLOTS_ON_OTHERS = 4, 2
DEFAULT_CONTRACTS = 1_000
BLOCK = "groups"
# By then a kill that triggered the group is known here, over Redis, the file or the database.
KILL_SEEN_MS = 1_000
TRIP_AGAIN_MS = 60_000


@dataclass(slots=True)
class Slot:
    """One group and whether it may be triggered, in which case it takes no order until it is reset."""

    stored: StoredGroup
    may_be_triggered: bool


class OrderGroups:
    """Opens the groups a session needs, says which one an order belongs to, resets them after a resume."""

    def __init__(
        self, context: SessionContext, incidents: Incidents, *, contracts_limit: int = DEFAULT_CONTRACTS
    ) -> None:
        self._context = context
        self._incidents = incidents
        self._limit = contracts_limit
        self._slots: dict[int, list[Slot]] = {}
        self._stopped_at_ms: int | None = None
        self._why = ""
        self._lock = asyncio.Lock()

    @property
    def ids(self) -> list[str]:
        return [slot.stored.venue_group_id for slots in self._slots.values() for slot in slots]

    def group_for(self, ticker: Ticker, shard: int) -> str | None:
        """The group of a market: always the same one. None while its shard has none; nothing may rest then."""
        slots = self._slots.get(shard)
        return slots[zlib.crc32(ticker.encode()) % len(slots)].stored.venue_group_id if slots else None

    def lacks(self, shards: Iterable[int]) -> set[int]:
        """Shards that have no groups yet and can still get some."""
        full = sum(map(len, self._slots.values())) >= MAX_GROUPS
        return set() if full else {shard for shard in shards if shard not in self._slots}

    async def adopt(self) -> None:
        """At the start: the stored groups that the exchange still has. Raises `GatewayError`."""
        context = self._context
        stored = await context.journal.commit(groups_stored, account_id=context.account.pk)
        theirs = {group.group_id: group for group in await context.venue.groups()}
        # Made by a session that died before it could store them: nobody would ever trigger or reset them.
        for group_id in theirs.keys() - {group.venue_group_id for group in stored}:
            await context.venue.delete_group(group_id)
        for group in stored:
            venue_group = theirs.get(group.venue_group_id)
            if venue_group is not None:
                slot = Slot(group, _may_be_triggered(group, venue_group))
                self._slots.setdefault(group.exchange_index, []).append(slot)
                if venue_group.contracts_limit != self._limit * QUANTITY_SCALE:
                    await self._change_limit(slot)

    async def open(self, shards: Iterable[int]) -> None:
        """Creates what the shards lack and stores it. Raises `GatewayError`; what was made by then is kept."""
        async with self._lock:
            missing = sorted(self.lacks(shards))
            if not missing:
                return
            try:
                for shard in missing:
                    await self._open_shard(shard)
            finally:
                await self._store()

    async def trigger(self, group_ids: Collection[str]) -> None:
        """Has the exchange cancel everything in these groups, all at once; what fails is left to single cancels."""
        for slot in (s for slots in self._slots.values() for s in slots):
            slot.may_be_triggered |= slot.stored.venue_group_id in group_ids
        answers = await asyncio.gather(
            *(self._context.venue.trigger_group(group_id) for group_id in group_ids), return_exceptions=True
        )
        for answer in answers:
            if isinstance(answer, GatewayError):
                log.warning("order group not triggered: %s", answer)
            elif isinstance(answer, BaseException):
                raise answer

    async def reset(self) -> None:
        """Makes every group that may be triggered take orders again; the gate opens once all are. After a resume.

        Does nothing while a stop by the exchange itself waits for a person. Raises `GatewayError`.
        """
        if self._stopped_at_ms is not None:
            return
        async with self._lock:
            waiting = [slot for slots in self._slots.values() for slot in slots if slot.may_be_triggered]
            for slot in waiting:
                await self._context.venue.reset_group(slot.stored.venue_group_id)
                slot.may_be_triggered = False
                slot.stored = replace(slot.stored, is_triggered=False)
            if waiting:
                await self._store()
            self._context.gate.unblock(BLOCK)

    def suspect_all(self) -> None:
        """Trading is halted, and a kill triggers groups from outside: none takes orders until it was reset."""
        self._stopped_at_ms = None
        for slots in self._slots.values():
            for slot in slots:
                slot.may_be_triggered = True
        if self._slots:
            self._context.gate.block(BLOCK, "order groups were stopped and wait to be reset")

    @property
    def need_reset(self) -> bool:
        return any(slot.may_be_triggered for slots in self._slots.values() for slot in slots)

    def on_triggered(self, group_id: str | None, why: str) -> None:
        """A group is stopped at the exchange; nothing is sent until it is known whether a kill did it."""
        for slot in (s for slots in self._slots.values() for s in slots if s.stored.venue_group_id == group_id):
            slot.may_be_triggered = True
            slot.stored = replace(slot.stored, is_triggered=True)
        self._context.gate.block(BLOCK, f"an order group is stopped at the exchange: {why}")
        if self._stopped_at_ms is None and self._context.gate.state is not TradingState.HALTED:
            self._stopped_at_ms, self._why = self._context.clock.now_ms(), why

    def check(self) -> None:
        """A group that was stopped by no kill of ours was stopped by its limit: that halts the account."""
        context = self._context
        if self._stopped_at_ms is None or context.clock.now_ms() - self._stopped_at_ms < KILL_SEEN_MS:
            return
        self._stopped_at_ms = context.clock.now_ms() + TRIP_AGAIN_MS
        reason = f"more than {self._limit} contracts matched in 15 seconds, or an order group was stopped: {self._why}"
        self._incidents.raise_event("ORDER_GROUP_TRIGGERED", Severity.CRITICAL, reason, {"limit": self._limit})
        context.journal.post(
            kill_switch_trip,
            scope=Scope.ACCOUNT,
            scope_id=context.account.name,
            reason=reason,
            actor=None,
            actor_label="switch:K9",
            now=context.now(),
        )

    async def _open_shard(self, shard: int) -> None:
        wanted = SLOTS_ON_FIRST_SHARD if shard == 0 else SLOTS_ON_OTHERS
        room = MAX_GROUPS - sum(map(len, self._slots.values()))
        slots = self._slots.setdefault(shard, [])
        try:
            for number in range(min(wanted, room)):
                group_id = await self._context.venue.create_group(self._limit, exchange_index=shard)
                slots.append(Slot(StoredGroup(group_id, shard, number, self._limit, is_triggered=False), False))
        finally:
            if not slots:
                del self._slots[shard]

    async def _change_limit(self, slot: Slot) -> None:
        try:
            await self._context.venue.limit_group(slot.stored.venue_group_id, self._limit)
        except GatewayError as error:
            log.warning("limit of order group %s not changed: %s", slot.stored.venue_group_id, error)
        else:
            slot.stored = replace(slot.stored, contracts_limit=self._limit)

    async def _store(self) -> None:
        context = self._context
        await context.journal.commit(
            groups_store,
            account_id=context.account.pk,
            groups=[slot.stored for slots in self._slots.values() for slot in slots],
            now=context.now(),
        )


def _may_be_triggered(stored: StoredGroup, theirs: VenueGroup) -> bool:
    """Either record says so, or the exchange does not say: a reset does no harm then."""
    return stored.is_triggered or theirs.is_triggered is not False
