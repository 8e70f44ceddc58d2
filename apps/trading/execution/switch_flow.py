"""What one strategy sends and what comes back: the inputs of K2, K3, K8, K9 and K17."""

from __future__ import annotations

from collections import deque

from apps.engine.switches.money import StreakInputs
from apps.engine.switches.orders import BadNumberInputs, BadNumberThresholds, RunawayInputs, RunawayThresholds
from apps.engine.switches.quality import FillRateInputs, FillRateThresholds, SlippageInputs
from apps.engine.types import ONE_DOLLAR, Fill, Money, OrderIntent, Price, Side, Ticker

from .switch_windows import MOST, Window

SLIPPAGE_FILLS = 50
LIKES = 5_000

Like = tuple[Ticker, Side, Price, int]


class StrategyFlow:
    """`slots`: quotes the strategy keeps up at once. `unfilled`: orders sent since the last fill of any of them."""

    def __init__(self, slug: str) -> None:
        self.slug = slug
        self.slots = 0
        self.losses = 0
        self.unfilled = 0
        self.unfilled_since_ms = 0
        self.duplicates = 0
        self._ids: dict[str, Price | None] = {}
        self._sent: deque[tuple[int, str]] = deque(maxlen=MOST)
        self._filled: set[str] = set()
        self._orders, self._cancels, self._bad = Window(), Window(), Window()
        self._likes: dict[Like, Window] = {}
        self._slippage: deque[tuple[Money, Money]] = deque(maxlen=SLIPPAGE_FILLS)
        self._example = ""

    def remember(self, unfilled: int, since_ms: int | None, losses: int) -> None:
        """What earlier sessions sent and lost, so that a restart forgives nothing."""
        self.unfilled += unfilled
        self.losses = self.losses or losses
        if since_ms is not None:
            self.unfilled_since_ms = since_ms

    def streak(self, at_ms: int | None) -> StreakInputs:
        return StreakInputs(at_ms=at_ms, losses=self.losses)

    def is_duplicate(self, intent: OrderIntent) -> bool:
        """True for an id that was sent before, which is then counted."""
        if intent.client_order_id in self._ids:
            self.duplicates += 1
            return True
        return False

    def sent(self, intent: OrderIntent, expected: Price | None, now_ms: int) -> None:
        """A new order leaves; `expected` is the price at which it should take, None for one that only rests."""
        self._ids[intent.client_order_id] = expected
        while len(self._ids) > MOST:
            oldest = next(iter(self._ids))
            del self._ids[oldest]
            self._filled.discard(oldest)
        if self.unfilled == 0:
            self.unfilled_since_ms = now_ms
        self.unfilled += 1
        self._orders.add(now_ms)
        self._sent.append((now_ms, intent.client_order_id))
        self._likes.setdefault((intent.ticker, intent.side, intent.price, intent.quantity), Window()).add(now_ms)

    def canceled(self, now_ms: int) -> None:
        self._cancels.add(now_ms)

    def filled(self, fill: Fill, client_order_id: str | None) -> None:
        self.unfilled = 0
        for like in [like for like in self._likes if like[0] == fill.ticker]:
            del self._likes[like]
        if client_order_id is None:
            return
        self._filled.add(client_order_id)
        expected = self._ids.get(client_order_id)
        if expected is not None:
            unit = fill.price if fill.side is Side.BID else ONE_DOLLAR - fill.price
            self._slippage.append(((fill.price - expected) * fill.side.sign * fill.quantity, unit * fill.quantity))

    def settled(self, result: Money) -> None:
        """Counts losses in a row; a market that came out even changes nothing."""
        if result:
            self.losses = self.losses + 1 if result < 0 else 0

    def bad_number(self, text: str, now_ms: int) -> None:
        self._bad.add(now_ms)
        self._example = text

    def may_trip(self, intent: OrderIntent, k8: FillRateThresholds, k9: RunawayThresholds, now_ms: int) -> bool:
        """A cheap look after each order: is it worth evaluating K8 and K9 before the next second?"""
        is_long = self.unfilled > k8.per_slot * self.slots or now_ms - self.unfilled_since_ms > k8.window_ms
        like = self._likes[(intent.ticker, intent.side, intent.price, intent.quantity)]
        return (
            (self.unfilled > k8.trip_unfilled and is_long)
            or like.count(now_ms - k9.repeat_window_ms) > k9.trip_repeats
            or self._orders.count(now_ms - k9.window_ms) > max(k9.trip_orders, k9.per_slot * self.slots)
        )

    def fill_rate(self, at_ms: int | None, t: FillRateThresholds, now_ms: int) -> FillRateInputs:
        while self._sent and self._sent[0][0] <= now_ms - t.window_ms:
            self._filled.discard(self._sent.popleft()[1])
        return FillRateInputs(
            at_ms=at_ms,
            unfilled=self.unfilled,
            since_ms=max(0, now_ms - self.unfilled_since_ms) if self.unfilled else 0,
            slots=self.slots,
            orders=len(self._sent),
            filled=sum(order_id in self._filled for _, order_id in self._sent) if self._filled else 0,
        )

    def runaway(self, t: RunawayThresholds, now_ms: int) -> RunawayInputs:
        counts = {like: window.count(now_ms - t.repeat_window_ms) for like, window in self._likes.items()}
        for like in [like for like, count in counts.items() if not count]:
            del self._likes[like]
        while len(self._likes) > LIKES:
            del self._likes[next(iter(self._likes))]
        return RunawayInputs(
            at_ms=now_ms,
            orders=self._orders.count(now_ms - t.window_ms),
            cancels=self._cancels.count(now_ms - t.window_ms),
            repeats=max(counts.values(), default=0),
            duplicates=self.duplicates,
            slots=self.slots,
        )

    def slippage(self, at_ms: int | None) -> SlippageInputs:
        return SlippageInputs(
            at_ms=at_ms,
            fills=len(self._slippage),
            adverse=sum(adverse for adverse, _ in self._slippage),
            notional=sum(notional for _, notional in self._slippage),
        )

    def bad_numbers(self, t: BadNumberThresholds, now_ms: int) -> BadNumberInputs:
        return BadNumberInputs(at_ms=now_ms, count=self._bad.count(now_ms - t.window_ms), example=self._example)

    def start_over(self, key: str) -> None:
        """People have resumed after this switch: what it counted until now is dealt with."""
        if key == "K2":
            self.losses = 0
        elif key == "K3":
            self._slippage.clear()
        elif key == "K8":
            self.unfilled = 0
            self._sent.clear()
            self._filled.clear()
        elif key == "K9":
            self.duplicates = 0
            self._likes.clear()
            self._orders, self._cancels = Window(), Window()
        elif key == "K17":
            self._bad = Window()
