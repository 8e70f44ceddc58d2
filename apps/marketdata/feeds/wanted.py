"""Markets that the socket told of and the catalogue lacks: when to read the catalogue for them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

WAIT_S = 2.0
MAX_READS = 5


class WantedMarkets:
    """The first one is read for at once. The exchange's read side may lag behind its socket, so one that a reading
    did not bring is read for again, ever more rarely, and then given up: it is beyond what we follow.

    Of `series` only, as far as tickers begin with them; none: all. Times are monotonic seconds.
    """

    def __init__(self, series: Collection[str] = ()) -> None:
        self._series = frozenset(series)
        self._reads: dict[str, int] = {}
        self._read_s: float | None = None

    def add(self, tickers: Iterable[str]) -> None:
        for ticker in tickers:
            if not self._series or ticker.partition("-")[0] in self._series:
                self._reads.setdefault(ticker, 0)

    def is_due(self, now_s: float) -> bool:
        if not self._reads or self._read_s is None:
            return bool(self._reads)
        return now_s - self._read_s >= WAIT_S * float(1 << min(self._reads.values()))

    def read(self, found: Collection[str], now_s: float) -> None:
        """The catalogue was read and brought `found`."""
        if self._reads:
            self._read_s = now_s
        reads = {ticker: n + 1 for ticker, n in self._reads.items() if ticker not in found}
        self._reads = {ticker: n for ticker, n in reads.items() if n < MAX_READS}
