"""How far our clock is from the venue's, by the `Date` header of its replies."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

_HALF_SECOND_MS = 500


class ServerClock:
    """Newest skew: local minus venue in ms, None until a reply has told.

    The header has whole seconds, so the venue's clock is taken to stand in the middle of its second: a skew is exact to
    half a second and the time the reply was under way.
    """

    __slots__ = ("_date_ms", "_text", "skew_ms")

    def __init__(self) -> None:
        self.skew_ms: int | None = None
        self._text: str | None = None
        self._date_ms: int | None = None

    def note(self, date: str | None, now_ms: int) -> None:
        """A reply came with this `Date`; a header that is absent or no date changes nothing."""
        if date is None:
            return
        if date != self._text:
            # Parsed once per second of the venue's clock, not once per reply.
            self._text, self._date_ms = date, _millis(date)
        if self._date_ms is not None:
            self.skew_ms = now_ms - self._date_ms - _HALF_SECOND_MS


def _millis(date: str) -> int | None:
    try:
        return int(parsedate_to_datetime(date).timestamp()) * 1000
    except (ValueError, OverflowError):
        return None
