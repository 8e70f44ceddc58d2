"""How many resting orders the account's tokens can carry: each must be renewed before its lease ends.

More would not be more quotes. Orders that wait for tokens are outdated when they leave, and orders that cannot be
renewed in time trip the dead-man switch (K13).
"""

from __future__ import annotations

from .context import SessionContext
from .requests import BATCH, OrderRequests

# Half of the tokens renew what rests; the others place, move and take off.
RENEWAL_SHARE = 0.5
# What one second's tokens cannot send is not even judged.
WAITING_S = 1.0


class TokenRoom:
    """Counted anew at each tick, and less by one for every order made in between."""

    def __init__(self, context: SessionContext, requests: OrderRequests, *, renewed_every_s: float) -> None:
        self._context = context
        self._requests = requests
        self._renewed_every_s = renewed_every_s
        self._left: int | None = None
        self.is_short = False
        self.held = 0

    @property
    def capacity(self) -> int:
        """Resting orders that the account can renew."""
        return int(self._context.venue.writes_per_s * RENEWAL_SHARE * self._renewed_every_s)

    def count(self, resting: int) -> None:
        """`resting`: own orders that are open and need renewals."""
        waiting = max(BATCH, int(self._context.venue.writes_per_s * WAITING_S)) - self._requests.unsent
        self._left = min(self.capacity - resting, waiting)
        self.is_short = False

    def take(self) -> bool:
        """Room for one more order, or False, counted in `held`."""
        if self._left is None:
            self.count(0)
        assert self._left is not None
        if self._left <= 0:
            self.is_short = True
            self.held += 1
            return False
        self._left -= 1
        return True
