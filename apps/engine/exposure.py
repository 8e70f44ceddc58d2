"""What is at risk, per node of the tree of limits, kept as running sums.

A market is a leaf; its path leads from the root over account, strategy, category and themes down to it. Every change
of a market's use is added to each node of its path, so that asking costs one look per node and never a sum over
markets. Units: $0.000001, 0.01 contract, orders of the last 60 s.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from .errors import BadNumber, InvariantBroken
from .types import ONE_DOLLAR, Level, Money, Quantity, Side, Ticker

ORDER_WINDOW_MS = 60_000


class NodeLevel(StrEnum):
    """Levels of the tree from the root down; a path keeps this order and may skip levels or name several themes."""

    GLOBAL = "global"
    ENVIRONMENT = "environment"
    ACCOUNT = "account"
    STRATEGY = "strategy"
    CATEGORY = "category"
    THEME = "theme"
    SERIES = "series"
    EVENT = "event"
    MARKET = "market"

    # The enum's own hash is a Python call; keys of nodes are hashed for every limit of every check.
    __hash__ = str.__hash__


_DEPTH = {level: depth for depth, level in enumerate(NodeLevel)}


class NodeKey(NamedTuple):
    """One node: what kind and which. The id of the root is empty."""

    level: NodeLevel
    id: str

    def __str__(self) -> str:
        return f"{self.level.value} {self.id}".strip()


class NodeUse(NamedTuple):
    """How much of a node is used: dollars at risk, contracts at worst, orders sent in the last 60 s."""

    key: NodeKey
    dollars: Money
    contracts: Quantity
    orders: int


class MarketUse(NamedTuple):
    """What one market can cost us at worst, and how many contracts we could come to hold in it."""

    dollars: Money
    contracts: Quantity


def market_use(position: Quantity, cost: Money, bids: Sequence[Level], asks: Sequence[Level]) -> MarketUse:
    """Use of a market by a signed position that cost `cost` and our open orders (price, remaining) of each side.

    Orders that close the position risk nothing new; the best price fills first, so the best-priced close. The two
    sides are added, since either may fill alone. Raises `BadNumber` for anything that is not an integer in range.
    """
    if type(position) is not int or type(cost) is not int or cost < 0:
        raise BadNumber(f"position {position!r:.40} that cost {cost!r:.40}")
    dollars = cost + _opening_cost(Side.BID, bids, max(-position, 0)) + _opening_cost(Side.ASK, asks, max(position, 0))
    contracts = max(abs(position + sum(q for _, q in bids)), abs(position - sum(q for _, q in asks)))
    return MarketUse(dollars, contracts)


def _opening_cost(side: Side, orders: Sequence[Level], closing: Quantity) -> Money:
    total = 0
    for price, quantity in sorted(orders, reverse=side is Side.BID) if len(orders) > 1 else orders:
        if type(price) is not int or type(quantity) is not int or not 0 <= price <= ONE_DOLLAR or quantity < 0:
            raise BadNumber(f"open order of {quantity!r:.40} at {price!r:.40}")
        closes = min(closing, quantity)
        closing -= closes
        total += (price if side is Side.BID else ONE_DOLLAR - price) * (quantity - closes)
    return total


@dataclass(slots=True)
class _Node:
    key: NodeKey
    dollars: Money = 0
    contracts: Quantity = 0
    sent_ms: deque[int] = field(default_factory=deque)
    leaves: int = 0

    def use(self, now_ms: int) -> NodeUse:
        sent, since = self.sent_ms, now_ms - ORDER_WINDOW_MS
        while sent and sent[0] <= since:
            sent.popleft()
        return NodeUse(self.key, self.dollars, self.contracts, len(sent))


@dataclass(slots=True)
class _Leaf:
    keys: tuple[NodeKey, ...]
    path: tuple[_Node, ...]
    dollars: Money = 0
    contracts: Quantity = 0


class ExposureTree:
    """Running sums per node. A market has to be placed before it can be used: no order without a leaf."""

    def __init__(self) -> None:
        self._nodes: dict[NodeKey, _Node] = {}
        self._leaves: dict[Ticker, _Leaf] = {}

    def place(self, ticker: Ticker, path: Iterable[NodeKey]) -> None:
        """Puts a market at the end of its path, or moves it with its use when the path changed.

        Orders already counted stay with the nodes they were counted on. Raises `InvariantBroken` for a path that
        has no account, is out of order, names a node twice, or does not end with this market.
        """
        keys = tuple(path)
        old = self._leaves.get(ticker)
        if old is not None and (old.keys is keys or old.keys == keys):
            return
        _check_path(ticker, keys)
        if old is not None:
            self._add(old, -old.dollars, -old.contracts)
        nodes = tuple(self._nodes.setdefault(key, _Node(key)) for key in keys)
        for node in nodes:
            node.leaves += 1
        leaf = self._leaves[ticker] = _Leaf(keys, nodes)
        if old is not None:
            self._add(leaf, old.dollars, old.contracts)
            leaf.dollars, leaf.contracts = old.dollars, old.contracts
            self._release(old)

    def is_placed(self, ticker: Ticker) -> bool:
        return ticker in self._leaves

    def set_use(self, ticker: Ticker, dollars: Money, contracts: Quantity) -> None:
        """Says what a market uses now. Raises `BadNumber`, or `InvariantBroken` for a market without a path."""
        if type(dollars) is not int or type(contracts) is not int or dollars < 0 or contracts < 0:
            raise BadNumber(f"{ticker}: use of {dollars!r:.40} dollars, {contracts!r:.40} contracts")
        leaf = self._leaf(ticker)
        if dollars != leaf.dollars or contracts != leaf.contracts:
            self._add(leaf, dollars - leaf.dollars, contracts - leaf.contracts)
            leaf.dollars, leaf.contracts = dollars, contracts

    def note_order(self, ticker: Ticker, now_ms: int) -> None:
        """Counts an order that is being sent. Raises `InvariantBroken` for a market without a path."""
        for node in self._leaf(ticker).path:
            node.sent_ms.append(now_ms)

    def use(self, node: NodeKey, now_ms: int) -> NodeUse:
        """Use of one node; nothing is used of a node that no market stands under."""
        found = self._nodes.get(node)
        return NodeUse(node, 0, 0, 0) if found is None else found.use(now_ms)

    def path_use(self, ticker: Ticker, now_ms: int) -> tuple[NodeUse, ...] | None:
        """Use of every node above and of a market, None for a market without a path."""
        leaf = self._leaves.get(ticker)
        return None if leaf is None else tuple([node.use(now_ms) for node in leaf.path])

    def path(self, ticker: Ticker) -> tuple[NodeKey, ...] | None:
        leaf = self._leaves.get(ticker)
        return None if leaf is None else leaf.keys

    def nodes(self) -> tuple[NodeKey, ...]:
        """Every node that a market stands under or is."""
        return tuple(self._nodes)

    def tickers(self) -> set[Ticker]:
        return set(self._leaves)

    def forget(self, ticker: Ticker) -> None:
        """Takes a market out with what it used; nodes without markets go with it."""
        leaf = self._leaves.pop(ticker, None)
        if leaf is not None:
            self._add(leaf, -leaf.dollars, -leaf.contracts)
            self._release(leaf)

    def _leaf(self, ticker: Ticker) -> _Leaf:
        leaf = self._leaves.get(ticker)
        if leaf is None:
            raise InvariantBroken(f"{ticker} has no place in the tree of limits")
        return leaf

    @staticmethod
    def _add(leaf: _Leaf, dollars: Money, contracts: Quantity) -> None:
        if dollars or contracts:
            for node in leaf.path:
                node.dollars += dollars
                node.contracts += contracts

    def _release(self, leaf: _Leaf) -> None:
        for node in leaf.path:
            node.leaves -= 1
            # The rates of a node outlive its markets for the window they are counted over.
            if not node.leaves and not node.sent_ms:
                self._nodes.pop(node.key, None)


def _check_path(ticker: Ticker, keys: tuple[NodeKey, ...]) -> None:
    depths = [_DEPTH[key.level] for key in keys]
    if not keys or keys[-1] != (NodeLevel.MARKET, ticker) or depths.count(depths[-1]) != 1:
        raise InvariantBroken(f"{ticker}: its path does not end with it")
    if all(key.level is not NodeLevel.ACCOUNT for key in keys):
        raise InvariantBroken(f"{ticker}: its path leads over no account")
    if depths != sorted(depths) or len(set(keys)) != len(keys):
        raise InvariantBroken(f"{ticker}: path out of order: {', '.join(map(str, keys))}")
