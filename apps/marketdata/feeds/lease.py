"""Holding the session's lease through an outage of the database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from apps.core.database_thread import AWAY
from apps.core.leases import LeaseLost, lease_acquire, lease_release, lease_renew


class Runner(Protocol):
    def __call__(self, call: Callable, **kwargs: object) -> Awaitable: ...


class LeaseKeeper:
    """Renews the lease; `step` is called each second.

    While the database is away nobody can take the lease, so recording goes on and `problem` says why. If the
    lease ran out meanwhile it is taken anew, unless somebody else has it: then `LeaseLost`, and the session ends.
    """

    def __init__(self, *, name: str, holder: str, run: Runner, now: Callable[[], datetime]) -> None:
        self._name = name
        self._holder = holder
        # Asked on the thread that writes: a time taken before a long wait for the database would be stale.
        self._now = now
        self._run = run
        self.token: int | None = None
        self.problem: str | None = None

    async def acquire(self) -> bool:
        self.token = await self._run(self._acquire)
        return self.token is not None

    def _acquire(self) -> int | None:
        return lease_acquire(name=self._name, holder=self._holder, now=self._now())

    async def step(self) -> None:
        try:
            await self._run(self._renew)
        except AWAY as e:
            self.problem = f"database: lease not renewed: {type(e).__name__}"
        else:
            self.problem = None

    def _renew(self) -> None:
        if self.token is None:
            raise LeaseLost(f"lease {self._name} was never ours")
        try:
            lease_renew(name=self._name, token=self.token, now=self._now())
        except LeaseLost:
            self.token = self._acquire()
            if self.token is None:
                raise

    async def release(self) -> None:
        if self.token is not None:
            await self._run(lease_release, name=self._name, token=self.token, now=self._now())
