"""What a ladder did: its steps with their times, and the report people read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from apps.engine.decimals import format_quantity
from apps.engine.ports import VenueOrder

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened, at Unix ms. `name` is for programs, `text` for people."""

    at_ms: int
    name: str
    text: str
    detail: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {"at": iso(self.at_ms), "step": self.name, "text": self.text} | self.detail


Progress = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class Left:
    """An order that still rests, and why it could not be canceled."""

    order: VenueOrder
    reason: str


@dataclass(slots=True)
class LadderReport:
    """Times are Unix ms. `resting_before` and `positions` are None when the exchange did not tell.

    `is_confirmed` says that a third look, later than the exchange's reads lag, found nothing either. `private_feed`:
    orders still open by what the sessions' private feeds had told after the proof; None when no session told.
    """

    begun_ms: int
    triggered_ms: int | None = None
    last_ack_ms: int | None = None
    proved_ms: int | None = None
    ended_ms: int | None = None
    is_confirmed: bool = False
    private_feed: int | None = None
    resting_before: int | None = None
    canceled: int = 0
    groups_total: int | None = None
    groups_triggered: int = 0
    is_paused: bool = False
    left: tuple[Left, ...] = ()
    positions: tuple[tuple[str, int], ...] | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def is_zero(self) -> bool:
        return self.proved_ms is not None

    def positions_json(self) -> list[dict[str, str]]:
        return [{"ticker": ticker, "quantity": format_quantity(n)} for ticker, n in self.positions or ()]

    def text(self) -> str:
        """The report in plain words, a line per fact."""
        rungs = [self._outcome(), *self._groups(), *self._left(), *self._feed()]
        return "\n".join([*rungs, self._positions(), *self._problems()])

    def _outcome(self) -> str:
        if self.proved_ms is not None:
            took = self.proved_ms - self.begun_ms
            how = "seen twice, and once more a second later" if self.is_confirmed else "seen twice"
            return f"Zero resting orders, {how}: proved {took} ms after the start. {self._before()}"
        return f"NOT proved: {len(self.left)} orders are known to rest. {self._before()}"

    def _before(self) -> str:
        if self.resting_before is None:
            return f"{self.canceled} orders are gone; how many rested before is not known."
        return f"{self.resting_before} rested before, {self.canceled} are gone."

    def _groups(self) -> list[str]:
        if self.groups_total is None:
            return []
        return [f"Order groups triggered: {self.groups_triggered} of {self.groups_total}."]

    def _left(self) -> list[str]:
        lines = [f"  {left.order.ticker} {left.order.order_id}: {left.reason}" for left in self.left[:SHOWN]]
        more = len(self.left) - SHOWN
        return [*lines, f"  and {more} more"] if more > 0 else lines

    def _feed(self) -> list[str]:
        if not self.is_zero:
            return []
        if self.private_feed is None:
            return ["Private feed: no session lives to tell what it shows."]
        if self.private_feed:
            return [f"Private feed: DIFFERS, it still shows {self.private_feed} open orders."]
        return ["Private feed: agrees, no order is open."]

    def _positions(self) -> str:
        if self.positions is None:
            return "Positions left: the exchange did not tell."
        if not self.positions:
            return "Positions left: none."
        shown = ", ".join(f"{ticker} {format_quantity(n)}" for ticker, n in self.positions[:SHOWN])
        more = len(self.positions) - SHOWN
        return f"Positions left: {shown}{f' and {more} more' if more > 0 else ''}."

    def _problems(self) -> list[str]:
        return [f"Problem: {problem}" for problem in self.problems]


def pause_text(left: tuple[Left, ...], resumes_at_ms: int | None) -> str:
    """Why nothing can be canceled now, and when the orders end by themselves."""
    ends = [order.order.expires_at_s for order in left]
    known = [end for end in ends if end is not None]
    parts = ["the exchange is paused: cancelling is impossible until it resumes"]
    if resumes_at_ms is not None:
        parts[0] += f" (it expects {clock_text(resumes_at_ms)})"
    if known:
        parts.append(f"orders expire by {clock_text(max(known) * 1000)}")
    if without := len(ends) - len(known):
        parts.append(f"{without} orders carry no expiry")
    return "; ".join(parts)


def iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def clock_text(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%H:%M:%S UTC")
