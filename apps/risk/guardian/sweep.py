"""The sweep: cancels what a look has found, in one go, in batches or one by one, and keeps why one could not be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from apps.engine.ports import CancelAck, Venue, VenueOrder
from apps.engine.types import Ticker
from apps.gateway.clock import Clock
from apps.gateway.errors import ExchangePaused, GatewayError, NotFound, OutcomeUnknown, Retryable

from .asking import CANCEL_COST, Asker
from .report import LadderReport, pause_text

BATCH = 20
SINGLES = 3


class Sweep:
    """`reasons` tells by order id why the last round could not cancel it. `until` is loop time."""

    def __init__(
        self,
        venue: Venue,
        asker: Asker,
        clock: Clock,
        report: LadderReport,
        say: Callable[..., None],
        *,
        may_cancel_all: bool,
    ) -> None:
        self._venue, self._asker, self._clock, self._report, self._say = venue, asker, clock, report, say
        self._may_cancel_all = may_cancel_all
        self.reasons: dict[str, str] = {}

    async def cancel(self, orders: Sequence[VenueOrder], until: float) -> None:
        """One round over what rests; what it could not cancel is kept with the reason."""
        self._report.is_paused = False
        if self._may_cancel_all and len(orders) > BATCH:
            self._may_cancel_all = False  # asynchronous: what is left at the next look is canceled one by one
            await self._cancel_all(until)
            return
        if len(orders) <= SINGLES:
            chunks = [[order] for order in orders]
        else:
            chunks = [list(orders[i : i + BATCH]) for i in range(0, len(orders), BATCH)]
        self._say("canceling", f"canceling {len(orders)} orders", orders=len(orders))
        await asyncio.gather(*(self._cancel_chunk(chunk, until) for chunk in chunks))
        if self._report.is_paused:
            await self._say_pause()

    async def _cancel_all(self, limit: float) -> None:
        self._say("cancel_all", "asking the exchange to cancel everything")
        try:
            until = asyncio.get_running_loop().time() + self._asker.timing.trigger_grace_s
            await self._asker.write(self._venue.cancel_all, cost=CANCEL_COST, until=min(until, limit))
        except GatewayError as error:
            self._note_pause(error)
            return
        self._report.last_ack_ms = self._clock.now_ms()

    async def _cancel_chunk(self, chunk: Sequence[VenueOrder], limit: float) -> None:
        until = min(asyncio.get_running_loop().time() + self._asker.timing.trigger_grace_s, limit)
        answers: Sequence[Any]
        try:
            if len(chunk) == 1:
                order = chunk[0]
                answers = [
                    await self._asker.write(
                        lambda: self._venue.cancel(order.order_id, order.ticker), cost=CANCEL_COST, until=until
                    )
                ]
            else:
                named = [(order.order_id, order.ticker) for order in chunk]
                cost = CANCEL_COST * len(chunk)
                answers = await self._asker.write(lambda: self._batch(named), cost=cost, until=until)
        except NotFound:
            answers = [None] * len(chunk)  # not resting any more: the next look tells
        except GatewayError as error:
            answers = [error] * len(chunk)
        for order, answer in zip(chunk, answers, strict=True):
            self._note_answer(order, answer)

    async def _batch(self, named: Sequence[tuple[str, Ticker]]) -> Sequence[CancelAck | Exception]:
        """A batch that failed as a whole raises, so that it is asked again and its 429 is heeded."""
        answers = await self._venue.cancel_many(named)
        for answer in answers[:1]:
            if isinstance(answer, Retryable | OutcomeUnknown) and all(type(other) is type(answer) for other in answers):
                raise answer
        return answers

    def _note_answer(self, order: VenueOrder, answer: object) -> None:
        if isinstance(answer, Exception) and not isinstance(answer, NotFound):
            self.reasons[order.order_id] = str(answer)
            self._note_pause(answer)
            return
        self.reasons.pop(order.order_id, None)
        self._report.last_ack_ms = self._clock.now_ms()

    def _note_pause(self, error: Exception) -> None:
        if isinstance(error, ExchangePaused):
            self._report.is_paused = True

    async def _say_pause(self) -> None:
        """Cancels are refused: says so in words, with when orders end by themselves."""
        resumes_at_ms = None
        try:
            until = asyncio.get_running_loop().time() + self._asker.timing.pause_pause_s
            resumes_at_ms = (await self._asker.read(self._venue.exchange_status, until=until)).resumes_at_ms
        except GatewayError as error:
            self._report.problems.append(f"the exchange's status could not be read: {error}")
        text = pause_text(self._report.left, resumes_at_ms)
        self._say("exchange_paused", text)
        if text not in self._report.problems:
            self._report.problems.append(text)
