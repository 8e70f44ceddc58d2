"""What the session's parts tell whoever watches them. This one does nothing; the switchboard listens."""

from __future__ import annotations

from apps.engine.types import Fill, Money, Ticker

from .blotter import WorkingOrder


class Watch:
    """Every method is called on the event loop, after what it tells of has happened, and must be quick."""

    def on_fill(self, fill: Fill, order: WorkingOrder | None, predicted_fee: Money | None) -> None:
        """A fill that counted; `order` None is foreign, `predicted_fee` None is unknown."""

    def on_settlement(self, ticker: Ticker, result: Money) -> None:
        """A settled market and what it brought in all, fees included."""

    def on_compared(self, *, orders: int, positions: int, drift: Money, is_confirmed: bool) -> None:
        """A comparison with the exchange's records and how much differed."""

    def on_own_order_mismatch(self, text: str) -> None:
        """The exchange's record of an own order cannot be what became of it."""

    def on_bad_number(self, text: str, ticker: Ticker | None = None) -> None:
        """A price, size or probability that cannot be; without a ticker it is everybody's."""

    def on_restricted(self, ticker: Ticker) -> None:
        """An order was refused because its market is on the restricted list."""

    def on_book_problem(self, ticker: Ticker) -> None:
        """A market's book was not what the exchange's snapshot of it says."""
