"""Positions, cash and P&L, exact in integers.

One signed YES position per market, netted as the exchange does: a bid at p opens at cost p*q, an ask opens NO at
(1-p)*q, and the opposite side closes, a YES and a NO making a dollar. Fees leave cash at once and are kept apart
from realized P&L. At all times cash + open cost - realized P&L + fees = cash put in.
Source: Kalshi docs "order direction", "portfolio".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .errors import BadNumber, InvariantBroken
from .types import ONE_DOLLAR, Fill, Money, Price, Quantity, Side, Ticker


@dataclass(slots=True)
class Position:
    """Signed YES position (+ YES, - NO). `cost` is what the open part cost (never negative), in $0.000001."""

    ticker: Ticker
    quantity: Quantity = 0
    cost: Money = 0
    realized_pnl: Money = 0
    fees: Money = 0

    def value_at(self, mark: Price) -> Money:
        """Worth of the open part when YES is worth `mark`; raises `BadNumber` outside 0..1."""
        _check_price(mark)
        return self.quantity * mark if self.quantity > 0 else -self.quantity * (ONE_DOLLAR - mark)

    def unrealized_pnl(self, mark: Price) -> Money:
        """Worth at `mark` less cost, without fees."""
        return self.value_at(mark) - self.cost

    def apply(self, side: Side, price: Price, quantity: Quantity) -> Money:
        """Trade `quantity` at a YES price and return the change of cash, fees aside.

        A close takes cost*closed//open out of the cost; what division leaves over stays with the open part, so
        that nothing is lost to rounding.
        """
        unit = price if side is Side.BID else ONE_DOLLAR - price
        open_quantity = abs(self.quantity) if self.quantity * side.sign < 0 else 0
        closed = min(open_quantity, quantity)
        released = self.cost * closed // open_quantity if closed else 0
        proceeds = (ONE_DOLLAR - unit) * closed
        opened = unit * (quantity - closed)
        self.quantity += side.sign * quantity
        self.cost += opened - released
        self.realized_pnl += proceeds - released
        return proceeds - opened

    def settle(self, value: Price) -> Money:
        """Close everything at the settlement value of YES and return what it brings."""
        proceeds = self.value_at(value)
        self.realized_pnl += proceeds - self.cost
        self.quantity = 0
        self.cost = 0
        return proceeds


@dataclass(frozen=True, slots=True)
class Exposure:
    """Cost at risk of open positions: by market (those not flat) and in all."""

    by_market: Mapping[Ticker, Money]
    total: Money


class Portfolio:
    """Cash and positions of one account, built from its fills and settlements.

    To go on from stored state pass the positions, the `trade_id`s already counted and the settled markets.
    """

    def __init__(
        self,
        cash: Money,
        positions: Iterable[Position] = (),
        trade_ids: Iterable[str] = (),
        settled: Mapping[Ticker, Price] | None = None,
    ) -> None:
        self.cash = cash
        self._positions = {p.ticker: p for p in positions}
        self._open_cost = sum(p.cost for p in self._positions.values())
        self._trade_ids = set(trade_ids)
        self._settled: dict[Ticker, Price] = dict(settled or {})

    @property
    def positions(self) -> Mapping[Ticker, Position]:
        """Every market ever traded, flat ones included."""
        return self._positions

    def is_settled(self, ticker: Ticker) -> bool:
        """True once `settle` was called for the market; later fills settle at once."""
        return ticker in self._settled

    def position(self, ticker: Ticker) -> Position:
        """The market's position, flat when it was never traded."""
        return self._positions.get(ticker) or Position(ticker)

    def apply_fill(self, fill: Fill) -> bool:
        """Count one fill; False when its `trade_id` was counted before.

        A fill that arrives after its market settled is settled at once at the same value. Raises `BadNumber`,
        changing nothing.
        """
        if fill.trade_id in self._trade_ids:
            return False
        _check_price(fill.price)
        if type(fill.quantity) is not int or fill.quantity <= 0 or type(fill.fee) is not int:
            raise BadNumber(f"fill {fill.trade_id}: quantity {fill.quantity!r}, fee {fill.fee!r}")
        self._trade_ids.add(fill.trade_id)
        position = self._positions.setdefault(fill.ticker, Position(fill.ticker))
        cost = position.cost
        self.cash += position.apply(fill.side, fill.price, fill.quantity) - fill.fee
        position.fees += fill.fee
        value = self._settled.get(fill.ticker)
        if value is not None:
            self.cash += position.settle(value)
        self._open_cost += position.cost - cost
        return True

    def settle(self, ticker: Ticker, settlement_value: Price, fee: Money = 0) -> Money:
        """Settle a market at YES's value in $0.0001 (ONE_DOLLAR yes, 0 no) and return what came in before the fee.

        Settling again at the same value does nothing; at another it raises `InvariantBroken`.
        """
        _check_price(settlement_value)
        before = self._settled.get(ticker)
        if before is not None:
            if before != settlement_value:
                raise InvariantBroken(f"{ticker} settled at {before}, now at {settlement_value}")
            return 0
        self._settled[ticker] = settlement_value
        position = self._positions.setdefault(ticker, Position(ticker))
        self._open_cost -= position.cost
        proceeds = position.settle(settlement_value)
        position.fees += fee
        self.cash += proceeds - fee
        return proceeds

    def adjust_cash(self, amount: Money) -> None:
        """Money put in (positive) or taken out."""
        self.cash += amount

    @property
    def open_cost(self) -> Money:
        """What all open positions cost together; `exposure().total` without visiting them."""
        return self._open_cost

    def exposure(self) -> Exposure:
        """What the open positions cost, which is what they can lose."""
        by_market = {t: p.cost for t, p in self._positions.items() if p.quantity}
        return Exposure(by_market, sum(by_market.values()))

    @property
    def realized_pnl(self) -> Money:
        """Realized P&L of all markets, without fees."""
        return sum(p.realized_pnl for p in self._positions.values())

    @property
    def fees(self) -> Money:
        return sum(p.fees for p in self._positions.values())

    @property
    def cash_put_in(self) -> Money:
        """Cash + open cost - realized P&L + fees: changes with `adjust_cash` alone, never by trading."""
        cost = sum(p.cost for p in self._positions.values())
        return self.cash + cost - self.realized_pnl + self.fees


def worst_case_cost(side: Side, price: Price, quantity: Quantity, position: Quantity) -> Money:
    """Dollars at risk that an order adds when all of it fills, given the signed position it meets.

    The part that closes the position risks nothing new; the rest costs p (bid) or 1-p (ask) per contract.
    """
    _check_price(price)
    unit = price if side is Side.BID else ONE_DOLLAR - price
    closing = max(-side.sign * position, 0)
    return unit * max(quantity - closing, 0)


def _check_price(price: Price) -> None:
    if type(price) is not int or not 0 <= price <= ONE_DOLLAR:
        raise BadNumber(f"price outside 0..1: {price!r}")
