"""Whether the books and the own orders agree with the exchange: the input of K7."""

from __future__ import annotations

from apps.engine.book_levels import MATCH_IN_PROGRESS, NO_SNAPSHOT
from apps.engine.errors import BadNumber, CrossedBook, NegativeLevel, OffGridPrice
from apps.engine.switches.truth import DesyncInputs, DesyncThresholds
from apps.engine.types import Ticker

from .context import SessionContext
from .switch_windows import Window

# A market that has just come, and a book between two deltas of one match.
NO_PROBLEM = frozenset({NO_SNAPSHOT, MATCH_IN_PROGRESS})
# A book that says one of these has contradicted itself; with any other reason it only waits for a snapshot.
CONTRADICTIONS = frozenset(error.__name__ for error in (BadNumber, CrossedBook, NegativeLevel, OffGridPrice))


class Agreement:
    """Counts gaps, own orders whose fate was got wrong, and markets with a problem, each within a window."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._gaps, self._mismatches = Window(), Window()
        self._gaps_seen = context.books.counters.gaps
        self._problems: dict[Ticker, int] = {}
        self._bad_now: set[Ticker] = set()

    def mismatch(self, now_ms: int) -> None:
        self._mismatches.add(now_ms)

    def book_problem(self, ticker: Ticker, now_ms: int) -> None:
        self._problems[ticker] = now_ms

    def start_over(self) -> None:
        """People have resumed after K7."""
        self._gaps, self._mismatches = Window(), Window()
        self._problems.clear()

    def inputs(self, t: DesyncThresholds, now_ms: int) -> DesyncInputs:
        """Gaps and contradicting books are found by looking; a book that only waits for its snapshot is no problem."""
        gaps = self._context.books.counters.gaps
        for _ in range(gaps - self._gaps_seen):
            self._gaps.add(now_ms)
        self._gaps_seen = gaps
        out_of_step = self._look(now_ms)
        since = now_ms - t.window_ms
        self._problems = {ticker: at for ticker, at in self._problems.items() if at > since}
        return DesyncInputs(
            at_ms=now_ms,
            out_of_step=out_of_step,
            markets=len(self._problems),
            gaps=self._gaps.count(since),
            mismatches=self._mismatches.count(since),
        )

    def _look(self, now_ms: int) -> tuple[Ticker, ...]:
        """Markets whose book cannot be used; one that has come to contradict itself is a problem from now on."""
        out_of_step: list[Ticker] = []
        bad_now: set[Ticker] = set()
        for ticker in self._context.desks:
            reason = self._context.books.unquotable_reason(ticker)
            if reason is None or reason in NO_PROBLEM:
                continue
            out_of_step.append(ticker)
            if reason in CONTRADICTIONS:
                bad_now.add(ticker)
                if ticker not in self._bad_now:
                    self._problems[ticker] = now_ms
        self._bad_now = bad_now
        return tuple(out_of_step)
