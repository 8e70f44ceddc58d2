"""Who hears what: the exchange's publisher that knows every connection's subscriptions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from apps.simulation.exchange.accounts import Account, Holding
from apps.simulation.exchange.line import Line
from apps.simulation.exchange.markets import Market
from apps.simulation.exchange.orders import ExchangeFill, Order, Trade
from apps.simulation.exchange.publisher import LevelNews, Publisher
from apps.simulation.exchange.socket_faults import SocketFaults
from apps.simulation.exchange.state import State

from . import frames
from .connection import Connection, Subscription

OVERFLOW = 25


class Hub(Publisher):
    """Fans events out. A connection that does not read gets error 25 per subscription and loses them all."""

    def __init__(self, state: State, faults: SocketFaults | None = None) -> None:
        self.state = state
        self.faults = faults or SocketFaults()
        self.connections: list[Connection] = []
        self._books: defaultdict[str, list[Subscription]] = defaultdict(list)
        self._channels: defaultdict[str, list[Subscription]] = defaultdict(list)
        self._quoted: dict[str, Market] = {}

    @property
    def now_ms(self) -> int:
        return self.state.clock.now_us() // 1000

    # connections and subscriptions

    def connect(self, account_id: str, line: Line | None = None) -> Connection:
        connection = Connection(account_id, self.state.config.max_pending_frames, self.faults, line)
        self.connections.append(connection)
        return connection

    def disconnect(self, connection: Connection) -> None:
        for subscription in list(connection.subscriptions.values()):
            self.remove(subscription)
        self.connections.remove(connection)

    def drop_all(self, code: int = 1012) -> None:
        """Break every connection, as on maintenance."""
        for connection in self.connections:
            connection.close(code)

    def silence_all(self) -> None:
        """Every connection stays open and says nothing any more."""
        for connection in self.connections:
            connection.silence()

    def add(self, subscription: Subscription) -> None:
        subscription.connection.subscriptions[subscription.sid] = subscription
        self._channels[subscription.channel].append(subscription)
        self.listen(subscription, list(subscription.tickers))

    def remove(self, subscription: Subscription) -> None:
        del subscription.connection.subscriptions[subscription.sid]
        self._channels[subscription.channel].remove(subscription)
        self.ignore(subscription, list(subscription.tickers))

    def listen(self, subscription: Subscription, tickers: Sequence[str]) -> None:
        """Start hearing these books."""
        if subscription.channel == "orderbook_delta":
            for ticker in tickers:
                self._books[ticker].append(subscription)

    def ignore(self, subscription: Subscription, tickers: Sequence[str]) -> None:
        """Stop hearing these books."""
        if subscription.channel == "orderbook_delta":
            for ticker in tickers:
                self._books[ticker].remove(subscription)

    def deliver(self, subscription: Subscription, kind: str, msg: str, command_id: int | None = None) -> None:
        """Send one message of a subscription, or kill what overflowed."""
        if subscription.sid not in subscription.connection.subscriptions:
            return
        text = frames.frame(kind, subscription.sid, subscription.next_seq(), msg, self.now_ms, command_id)
        if not subscription.connection.send(text, subscription.channel):
            self._overflow(subscription.connection)

    def _overflow(self, connection: Connection) -> None:
        connection.clear()
        msg = frames.to_json({"code": OVERFLOW, "msg": "subscription buffer overflow"})
        for subscription in list(connection.subscriptions.values()):
            seq = subscription.next_seq()
            self.remove(subscription)
            connection.send(frames.frame("error", subscription.sid, seq, msg, self.now_ms))

    # what happens

    def send_snapshot(self, subscription: Subscription, ticker: str, command_id: int | None = None) -> None:
        market = self.state.catalogue.markets.get(ticker)
        if market is not None:
            text = frames.snapshot(market, use_yes_price=subscription.use_yes_price)
            self.deliver(subscription, "orderbook_snapshot", text, command_id)

    def book_changed(self, market: Market, changes: Sequence[LevelNews], ts_us: int) -> None:
        self._quoted[market.ticker] = market
        listeners = self._books.get(market.ticker)
        if not listeners:
            return
        for news in changes:
            delta = frames.Delta(market, news, ts_us)
            for s in list(listeners):
                text = delta.text(use_yes_price=s.use_yes_price, account_id=s.connection.account_id)
                self.deliver(s, "orderbook_delta", text)

    def ticker(self, market: Market, ts_us: int) -> None:
        self._quoted.pop(market.ticker, None)
        listeners = self._channels["ticker"]
        if listeners:
            self._broadcast(listeners, "ticker", market.ticker, frames.ticker(market, ts_us))

    def flush_tickers(self) -> None:
        """Send a ticker for every market whose book changed since its last one."""
        for market in list(self._quoted.values()):
            self.ticker(market, self.state.clock.now_us())

    def traded(self, trade: Trade) -> None:
        listeners = self._channels["trade"]
        if listeners:
            self._broadcast(listeners, "trade", trade.ticker, frames.trade(trade))

    def _broadcast(self, listeners: list[Subscription], kind: str, ticker: str, msg: str) -> None:
        for s in list(listeners):
            if s.wants(ticker):
                self.deliver(s, kind, msg)

    def _own(self, channel: str, account_id: str, ticker: str | None = None) -> list[Subscription]:
        return [
            s
            for s in self._channels[channel]
            if s.connection.account_id == account_id and (ticker is None or s.wants(ticker))
        ]

    def filled(self, fill: ExchangeFill) -> None:
        for s in self._own("fill", fill.order.account_id, fill.order.ticker):
            self.deliver(s, "fill", frames.fill(fill))

    def order_changed(self, account: Account, order: Order) -> None:
        for s in self._own("user_orders", account.account_id, order.ticker):
            self.deliver(s, "user_order", frames.user_order(order, account.user_id))

    def position_changed(self, account: Account, holding: Holding) -> None:
        net = self.state.config.realized_pnl_net_of_fees
        for s in self._own("market_positions", account.account_id, holding.position.ticker):
            self.deliver(s, "market_position", frames.market_position(account, holding, net_of_fees=net))

    def group_changed(self, account_id: str, msg: dict[str, Any]) -> None:
        for s in self._own("order_group_updates", account_id):
            self.deliver(s, "order_group_updates", frames.to_json(msg))

    def lifecycle(self, msg: dict[str, Any]) -> None:
        kind = "market_lifecycle_v2" if "event_type" in msg else "event_lifecycle"
        if "fee_type_override" in msg:
            kind = "event_fee_update"
        for s in list(self._channels["market_lifecycle_v2"]):
            self.deliver(s, kind, frames.to_json(msg))
