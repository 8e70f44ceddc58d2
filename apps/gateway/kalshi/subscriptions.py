"""What we want to be subscribed to and what the venue has confirmed; makes commands, sends nothing.

Kalshi docs: WebSocket commands. Ids rise per session; one `subscribed` answer comes per channel of a command.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.gateway.kalshi.frames import ErrorFrame, Frame, SubscribedFrame, UnsubscribedFrame

ORDERBOOK = "orderbook_delta"
MARKET_CHANNELS = frozenset({ORDERBOOK, "ticker", "trade", "fill", "user_orders", "market_positions"})
Command = dict[str, Any]


@dataclass(eq=False, slots=True)
class Channels:
    """A wish: channels over some markets, or (not `filtered`) over all. `sids` are those of this connection.

    A filtered wish whose last market is gone asks for nothing; it never widens to all markets.
    """

    channels: tuple[str, ...]
    tickers: list[str]
    filtered: bool
    sids: dict[str, int] = field(default_factory=dict)


class Subscriptions:
    """All wishes of one socket. They survive a reconnect; sids do not."""

    def __init__(self, *, use_yes_price: bool = True) -> None:
        self._use_yes_price = use_yes_price
        self._next_id = 0
        self._wanted: list[Channels] = []
        self._asked: dict[int, tuple[Channels, tuple[str, ...]]] = {}
        self._by_sid: dict[int, tuple[Channels, str]] = {}

    def command(self, name: str, params: dict[str, Any] | None) -> Command:
        """A command with the next id."""
        self._next_id += 1
        command: Command = {"id": self._next_id, "cmd": name}
        if params is not None:
            command["params"] = params
        return command

    def want(self, channels: Sequence[str], tickers: Sequence[str]) -> Channels:
        wanted = Channels(tuple(channels), list(dict.fromkeys(tickers)), bool(tickers))
        self._wanted.append(wanted)
        return wanted

    def start(self) -> list[Command]:
        """Commands for a new connection: everything wanted, from scratch."""
        self._asked.clear()
        self._by_sid.clear()
        for wanted in self._wanted:
            wanted.sids.clear()
        return [self.subscribe_command(w) for w in self._wanted if w.tickers or not w.filtered]

    def subscribe_command(self, wanted: Channels, channels: Sequence[str] | None = None) -> Command:
        names = list(channels or wanted.channels)
        params: dict[str, Any] = {"channels": names}
        if wanted.tickers:
            params["market_tickers"] = list(wanted.tickers)
        if ORDERBOOK in names:
            # Always explicit: the venue has announced that the default will flip.
            params["use_yes_price"] = self._use_yes_price
        command = self.command("subscribe", params)
        self._asked[command["id"]] = (wanted, tuple(wanted.tickers))
        return command

    def snapshot_command(self, sid: int, tickers: Sequence[str]) -> Command:
        return self._update(sid, "get_snapshot", tickers)

    def add(self, wanted: Channels, tickers: Sequence[str]) -> list[Command]:
        new = [t for t in dict.fromkeys(tickers) if t not in wanted.tickers]
        first = wanted.filtered and not wanted.tickers
        wanted.tickers.extend(new)
        if first and new and not wanted.sids:
            return [self.subscribe_command(wanted)]
        return self._for_each_sid(wanted, "add_markets", new)

    def remove(self, wanted: Channels, tickers: Sequence[str]) -> list[Command]:
        gone = [t for t in dict.fromkeys(tickers) if t in wanted.tickers]
        wanted.tickers[:] = [t for t in wanted.tickers if t not in gone]
        return self._for_each_sid(wanted, "delete_markets", gone)

    def _for_each_sid(self, wanted: Channels, action: str, tickers: Sequence[str]) -> list[Command]:
        if not tickers:
            return []
        return [
            self._update(sid, action, tickers) for channel, sid in wanted.sids.items() if channel in MARKET_CHANNELS
        ]

    def _update(self, sid: int, action: str, tickers: Sequence[str]) -> Command:
        params = {"sids": [sid], "action": action, "market_tickers": list(tickers)}
        return self.command("update_subscription", params)

    def drop(self, wanted: Channels) -> Command | None:
        """Forget a wish; the command that ends its sids, if it has any."""
        if wanted in self._wanted:
            self._wanted.remove(wanted)
        sids = list(wanted.sids.values())
        for sid in sids:
            self._by_sid.pop(sid, None)
        wanted.sids.clear()
        return self.command("unsubscribe", {"sids": sids}) if sids else None

    def feeds_books(self, sid: int | None) -> bool:
        """Whether the messages of this sid make order books."""
        known = self._by_sid.get(sid) if sid is not None else None
        return known is not None and known[1] == ORDERBOOK

    def on_frame(self, frame: Frame) -> list[Command]:
        """Take note of answers; returns what must be sent because of them (terminal errors)."""
        if isinstance(frame, SubscribedFrame):
            return self._on_subscribed(frame)
        if isinstance(frame, UnsubscribedFrame):
            self._forget(frame.sid)
        elif isinstance(frame, ErrorFrame) and frame.terminal and frame.sid is not None:
            lost = self._forget(frame.sid)
            if lost is not None:
                return [self.subscribe_command(lost[0], [lost[1]])]
        return []

    def _on_subscribed(self, frame: SubscribedFrame) -> list[Command]:
        """Remember the sid, and catch up with markets added or deleted while the answer was on its way."""
        asked = self._asked.get(frame.id or 0)
        if asked is None:
            return []
        wanted, tickers = asked
        wanted.sids[frame.channel] = frame.sid
        self._by_sid[frame.sid] = (wanted, frame.channel)
        if frame.channel not in MARKET_CHANNELS or not wanted.filtered:
            return []
        late = [t for t in wanted.tickers if t not in tickers]
        gone = [t for t in tickers if t not in wanted.tickers]
        changes = (("add_markets", late), ("delete_markets", gone))
        return [self._update(frame.sid, action, some) for action, some in changes if some]

    def _forget(self, sid: int) -> tuple[Channels, str] | None:
        known = self._by_sid.pop(sid, None)
        if known is not None:
            known[0].sids.pop(known[1], None)
        return known
