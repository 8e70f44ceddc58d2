"""The venue as the switches see it: every order that is about to leave, every cancel, and whether calls are answered.

It stands right in front of the wire, behind every path to the exchange, so nothing can be sent past it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any, Protocol, TypeVar, cast

from apps.engine.ports import CancelAck, OrderAck, Venue, VenueStatus
from apps.engine.types import OrderIntent, Ticker
from apps.gateway.errors import (
    AuthenticationFailed,
    BudgetExhausted,
    Forbidden,
    GatewayError,
    RequestRefused,
    VenueRejected,
)

T = TypeVar("T")


class Watcher(Protocol):
    def on_order_sent(self, intent: OrderIntent) -> str | None: ...
    def on_cancel_sent(self, ticker: Ticker) -> None: ...
    def on_venue_call(self, *, ok: bool) -> None: ...
    def on_venue_status(self, status: VenueStatus) -> None: ...


class WatchedVenue:
    """Passes everything on. An order that trips a switch by itself is refused (`RequestRefused`) and never leaves."""

    def __init__(self, venue: Venue, watcher: Watcher) -> None:
        self._venue = venue
        self._watcher = watcher

    @property
    def clock_skew_ms(self) -> int | None:
        return self._venue.clock_skew_ms

    @property
    def writes_per_s(self) -> float:
        return self._venue.writes_per_s

    async def submit(self, intent: OrderIntent) -> OrderAck:
        refusal = self._watcher.on_order_sent(intent)
        if refusal is not None:
            raise RequestRefused(refusal)
        return await self._counted(self._venue.submit(intent))

    async def submit_many(self, intents: Sequence[OrderIntent]) -> Sequence[OrderAck | Exception]:
        refusals = [self._watcher.on_order_sent(intent) for intent in intents]
        wanted = [intent for intent, refusal in zip(intents, refusals, strict=True) if refusal is None]
        replies = iter(await self._counted(self._venue.submit_many(wanted)) if wanted else [])
        return [next(replies) if refusal is None else RequestRefused(refusal) for refusal in refusals]

    async def cancel(self, order_id: str, ticker: Ticker) -> CancelAck:
        self._watcher.on_cancel_sent(ticker)
        return await self._counted(self._venue.cancel(order_id, ticker))

    async def cancel_many(self, orders: Sequence[tuple[str, Ticker]]) -> Sequence[CancelAck | Exception]:
        for _, ticker in orders:
            self._watcher.on_cancel_sent(ticker)
        return await self._counted(self._venue.cancel_many(orders))

    async def exchange_status(self) -> VenueStatus:
        status = await self._counted(self._venue.exchange_status())
        self._watcher.on_venue_status(status)
        return status

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._venue, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._counted(method(*args, **kwargs))

        return call

    async def _counted(self, work: Awaitable[T]) -> T:
        """A refusal is an answer; a refused key is not, and neither is silence. What was never sent does not count."""
        try:
            result = await work
        except (BudgetExhausted, RequestRefused):
            raise
        except GatewayError as error:
            answered = isinstance(error, VenueRejected) and not isinstance(error, AuthenticationFailed | Forbidden)
            self._watcher.on_venue_call(ok=answered)
            raise
        self._watcher.on_venue_call(ok=True)
        return result


def watched(venue: Venue, watcher: Watcher) -> Venue:
    return cast(Venue, WatchedVenue(venue, watcher))
