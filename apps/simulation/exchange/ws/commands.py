"""Client commands: subscribe, update_subscription, unsubscribe, list_subscriptions (Kalshi docs: WebSocket)."""

from __future__ import annotations

from typing import Any

import msgspec

from apps.simulation.exchange.markets import Market

from .connection import CHANNELS, UNFILTERED, Connection, Subscription
from .frames import ticker as ticker_text
from .frames import to_json
from .hub import Hub

MAX_COMMAND = 1 << 20
_TEXTS = {
    1: "Unable to process message",
    2: "Params required",
    3: "Channels required",
    4: "Subscription IDs required",
    5: "Unknown command",
    7: "Unknown subscription ID",
    8: "Unknown channel name",
    11: "Invalid parameter",
    12: "Exactly one subscription ID is required",
    13: "Unsupported action",
    14: "Market Ticker required",
}


class CommandRefused(Exception):
    """An `error` answer; `code` is one of the documented ones."""

    def __init__(self, code: int, sid: int | None = None) -> None:
        super().__init__(_TEXTS[code])
        self.code = code
        self.sid = sid


class Commands:
    """Runs the commands of one connection."""

    def __init__(self, hub: Hub, connection: Connection) -> None:
        self._hub = hub
        self._connection = connection

    def run(self, text: str | bytes) -> None:
        """Answer one client message; what cannot be understood is answered with an error."""
        command_id: int | None = None
        try:
            command = _decode(text)
            given = command.get("id")
            command_id = given if isinstance(given, int) and not isinstance(given, bool) and given else None
            self._dispatch(command, command_id)
        except CommandRefused as refused:
            self._answer_error(refused, command_id)

    def _dispatch(self, command: dict[str, Any], command_id: int | None) -> None:
        handlers = {
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "update_subscription": self._update,
        }
        name = command.get("cmd")
        if name == "list_subscriptions":
            self._list(command_id)
            return
        handler = handlers.get(name) if isinstance(name, str) else None
        if handler is None:
            raise CommandRefused(5)
        params = command.get("params")
        if not isinstance(params, dict):
            raise CommandRefused(2)
        handler(params, command_id)

    # answers

    def _answer(self, body: dict[str, Any], command_id: int | None) -> None:
        head = {"type": body["type"]} | ({} if command_id is None else {"id": command_id})
        self._connection.send(to_json(head | body | {"sending_ts_ms": self._hub.now_ms}))

    def _answer_error(self, refused: CommandRefused, command_id: int | None) -> None:
        body: dict[str, Any] = {"type": "error"}
        if refused.sid is not None:
            body["sid"] = refused.sid
        self._answer(body | {"msg": {"code": refused.code, "msg": str(refused)}}, command_id)

    def _answer_ok(self, s: Subscription, command_id: int | None) -> None:
        """The full list of markets after a change; it consumes a `seq`."""
        body: dict[str, Any] = {"type": "ok", "sid": s.sid}
        seq = s.next_seq()
        if seq is not None:
            body["seq"] = seq
        if not s.skip_ticker_ack:
            body["msg"] = {"market_tickers": list(s.tickers)}
        self._answer(body, command_id)

    # commands

    def _subscribe(self, params: dict[str, Any], command_id: int | None) -> None:
        channels = params.get("channels")
        if not isinstance(channels, list) or not channels:
            raise CommandRefused(3)
        if any(c not in CHANNELS for c in channels if isinstance(c, str)):
            raise CommandRefused(8)
        if not all(isinstance(c, str) for c in channels):
            raise CommandRefused(11)
        tickers = self._tickers(params)
        if "orderbook_delta" in channels and not tickers:
            raise CommandRefused(14)
        for channel in dict.fromkeys(channels):
            self._subscribe_one(channel, tickers, params, command_id)

    def _subscribe_one(self, channel: str, tickers: list[str], params: dict[str, Any], command_id: int | None) -> None:
        use_yes_price = _flag(params, "use_yes_price") and channel == "orderbook_delta"
        existing = self._existing(channel, use_yes_price)
        wanted = [] if channel in UNFILTERED else tickers
        if existing is not None:
            self._widen(existing, wanted, params, command_id)
            return
        s = Subscription(
            self._connection,
            self._connection.new_sid(),
            channel,
            use_yes_price,
            _flag(params, "skip_ticker_ack"),
            dict.fromkeys(wanted),
        )
        self._hub.add(s)
        self._answer({"type": "subscribed", "msg": {"channel": channel, "sid": s.sid}}, command_id)
        self._send_state(s, wanted, params)

    def _existing(self, channel: str, use_yes_price: bool) -> Subscription | None:
        found = self._connection.subscriptions.values()
        return next((s for s in found if s.channel == channel and s.use_yes_price == use_yes_price), None)

    def _widen(self, s: Subscription, tickers: list[str], params: dict[str, Any], command_id: int | None) -> None:
        """Add markets. A subscription to all markets stays one; no markets named makes it one."""
        added = [t for t in tickers if t not in s.tickers]
        if s.channel != "orderbook_delta" and (not s.tickers or not tickers):
            s.tickers.clear()
            added = []
        for ticker in added:
            s.tickers[ticker] = None
        self._hub.listen(s, added)
        self._answer_ok(s, command_id)
        self._send_state(s, added, params)

    def _send_state(self, s: Subscription, tickers: list[str], params: dict[str, Any]) -> None:
        if s.channel == "orderbook_delta":
            for ticker in tickers:
                self._hub.send_snapshot(s, ticker)
        elif s.channel == "ticker" and _flag(params, "send_initial_snapshot"):
            markets = self._hub.state.catalogue.markets
            chosen = [markets[t] for t in tickers if t in markets] if s.tickers else list(markets.values())
            for market in chosen:
                self._hub.deliver(s, "ticker", ticker_text(market, self._hub.now_ms * 1000))

    def _update(self, params: dict[str, Any], command_id: int | None) -> None:
        s = self._named(params)
        tickers = self._tickers(params)
        action = params.get("action")
        if action not in ("add_markets", "delete_markets", "get_snapshot") or s.channel in UNFILTERED:
            raise CommandRefused(13, s.sid)
        if action == "get_snapshot" and s.channel != "orderbook_delta":
            raise CommandRefused(13, s.sid)
        if not tickers:
            raise CommandRefused(14, s.sid)
        if action == "add_markets":
            self._widen(s, tickers, params, command_id)
        elif action == "delete_markets":
            self._narrow(s, tickers, command_id)
        else:
            for ticker in tickers:
                self._hub.send_snapshot(s, ticker, command_id)

    def _narrow(self, s: Subscription, tickers: list[str], command_id: int | None) -> None:
        """Remove markets; a subscription left with none is silent but stays."""
        removed = [t for t in dict.fromkeys(tickers) if t in s.tickers]
        if s.channel != "orderbook_delta" and len(removed) == len(s.tickers):
            raise CommandRefused(11, s.sid)
        for ticker in removed:
            del s.tickers[ticker]
        self._hub.ignore(s, removed)
        self._answer_ok(s, command_id)

    def _named(self, params: dict[str, Any]) -> Subscription:
        sids = params.get("sids", [])
        one = params.get("sid")
        named = [*(sids if isinstance(sids, list) else [None, None]), *([] if one is None else [one])]
        if len(named) != 1:
            raise CommandRefused(12)
        found = self._connection.subscriptions.get(named[0]) if isinstance(named[0], int) else None
        if found is None:
            raise CommandRefused(7)
        return found

    def _unsubscribe(self, params: dict[str, Any], command_id: int | None) -> None:
        """One answer per sid, in the order asked."""
        sids = params.get("sids")
        if not isinstance(sids, list) or not sids:
            raise CommandRefused(4)
        for sid in sids:
            s = self._connection.subscriptions.get(sid) if isinstance(sid, int) else None
            if s is None:
                self._answer_error(CommandRefused(7), command_id)
                continue
            body: dict[str, Any] = {"type": "unsubscribed", "sid": s.sid}
            seq = s.next_seq()
            self._hub.remove(s)
            self._answer(body if seq is None else body | {"seq": seq}, command_id)

    def _list(self, command_id: int | None) -> None:
        rows = [{"channel": s.channel, "sid": s.sid} for s in self._connection.subscriptions.values()]
        self._answer({"type": "ok", "msg": rows}, command_id)

    def _tickers(self, params: dict[str, Any]) -> list[str]:
        """Markets named by ticker or by id, once each; unknown tickers are kept, unknown ids dropped."""
        named = [params.get("market_ticker"), *_list_of(params, "market_tickers")]
        ids = {params.get("market_id"), *_list_of(params, "market_ids")} - {None}
        markets: list[Market] = []
        if ids:
            markets = [m for m in self._hub.state.catalogue.markets.values() if m.market_id in ids]
        found = [t for t in named if t is not None]
        if not all(isinstance(t, str) and t for t in found):
            raise CommandRefused(11)
        return list(dict.fromkeys([*found, *(m.ticker for m in markets)]))


def _decode(text: str | bytes) -> dict[str, Any]:
    if len(text) > MAX_COMMAND:
        raise CommandRefused(1)
    try:
        command = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CommandRefused(1) from None
    if not isinstance(command, dict):
        raise CommandRefused(1)
    return command


def _flag(params: dict[str, Any], key: str) -> bool:
    value = params.get(key, False)
    if not isinstance(value, bool):
        raise CommandRefused(11)
    return value


def _list_of(params: dict[str, Any], key: str) -> list[Any]:
    value = params.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise CommandRefused(11)
    return value
