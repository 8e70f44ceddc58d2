"""Compiled scanner for runs of `orderbook_delta` frames in the one layout the exchange sends them in.

It recognises that layout byte by byte and refuses everything else, so that a frame it accepts means exactly
what `messages.Decoder` would have read; what it refuses goes to that decoder.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from apps.engine.types import ONE_DOLLAR

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

HEAD = np.frombuffer(b'{"type":"orderbook_delta","sid":', np.uint8)
SEQ = np.frombuffer(b',"seq":', np.uint8)
MSG = np.frombuffer(b',"msg":{"market_ticker":"', np.uint8)
MARKET_ID = np.frombuffer(b',"market_id":"', np.uint8)
PRICE = np.frombuffer(b',"price_dollars":"0.', np.uint8)
DELTA = np.frombuffer(b'","delta_fp":"', np.uint8)
SIDE_YES = np.frombuffer(b'","side":"yes","ts":"', np.uint8)
SIDE_NO = np.frombuffer(b'","side":"no","ts":"', np.uint8)
TS_MS = np.frombuffer(b',"ts_ms":', np.uint8)
CLOCK = np.frombuffer(b',"sending_ts_ms":', np.uint8)

SID_COLUMN, SEQ_COLUMN, MARKET_COLUMN, SIDE_COLUMN, PRICE_COLUMN, DELTA_COLUMN, TS_COLUMN = range(7)
COLUMNS = 7
NOT_HOT = -1
YES, NO = 0, 1

_QUOTE, _BACKSLASH, _ZERO, _NINE, _DOT, _MINUS, _BRACE = 34, 92, 48, 57, 46, 45, 125
_MAX_DIGITS = 15
_MAX_WHOLE = 11
_MAX_TICKER = 256
_UUID = 36
_MICROSECONDS = 27


@njit(cache=True, inline="always")
def _literal(buf: Bytes, i: int, end: int, text: Bytes) -> int:
    """Position after `text`, or -1."""
    n = len(text)
    if i < 0 or i + n > end:
        return -1
    # Without an early exit the comparison compiles to vector instructions.
    part = buf[i : i + n]
    different = np.uint8(0)
    for k in range(n):
        different |= part[k] ^ text[k]
    return -1 if different else i + n


@njit(cache=True, inline="always")
def _digits(buf: Bytes, i: int, end: int, limit: int) -> int:
    """Position after a run of 1 to `limit` digits, or -1."""
    if i < 0:
        return -1
    j = i
    while j < end and _ZERO <= buf[j] <= _NINE:
        j += 1
    return j if 0 < j - i <= limit else -1


@njit(cache=True, inline="always")
def _integer(buf: Bytes, i: int, end: int) -> int:
    """Position after a JSON integer that is not negative; a leading zero is not JSON."""
    j = _digits(buf, i, end, _MAX_DIGITS)
    return -1 if j < 0 or (buf[i] == _ZERO and j - i > 1) else j


@njit(cache=True, inline="always")
def _value(buf: Bytes, i: int, j: int) -> Any:
    value = np.int64(0)
    for k in range(i, j):
        if buf[k] != _DOT:
            value = value * 10 + (buf[k] - _ZERO)
    return value


@njit(cache=True)
def _string(buf: Bytes, i: int, end: int) -> int:
    """Position of the closing quote of a plain ASCII string, or -1."""
    if i < 0:
        return -1
    j = i
    while j < end and buf[j] != _QUOTE:
        if buf[j] < 32 or buf[j] > 126 or buf[j] == _BACKSLASH:
            return -1
        j += 1
    return j if j < end else -1


@njit(cache=True, inline="always")
def _string_of(buf: Bytes, i: int, end: int, n: int) -> int:
    """As `_string`, faster where the string is `n` long as it usually is."""
    if i < 0 or i + n >= end or buf[i + n] != _QUOTE:
        return _string(buf, i, end)
    part = buf[i : i + n]
    bad = False
    for k in range(n):
        c = part[k]
        bad |= (c < 32) | (c > 126) | (c == _BACKSLASH) | (c == _QUOTE)
    return _string(buf, i, end) if bad else i + n


@njit(cache=True)
def _clock(buf: Bytes, i: int, end: int) -> int:
    """Step over the exchange's sending time where it is there."""
    j = _literal(buf, i, end, CLOCK)
    return i if j < 0 else _integer(buf, j, end)


@njit(cache=True)
def ticker_hash(buf: Bytes, i: int, j: int) -> Any:
    # The last characters tell markets apart, and twelve of them cost less than all.
    h = np.uint64(1469598103934665603)
    for k in range(max(i, j - 12), j):
        h = (h ^ np.uint64(buf[k])) * np.uint64(1099511628211)
    return np.int64(h >> np.uint64(16))


@njit(cache=True)
def _is_ticker(buf: Bytes, i: int, j: int, pool: Bytes, starts: Ints, market: int) -> bool:
    start, end = starts[market], starts[market + 1]
    return bool(end - start == j - i and _literal(buf, i, j, pool[start:end]) == j)


@njit(cache=True)
def find_ticker(buf: Bytes, i: int, j: int, slots: Ints, pool: Bytes, starts: Ints, last: int) -> Any:
    """Number of the ticker at buf[i:j], compared in full, or -1. `slots` is a power of two long; `last` is the
    one found before, which it mostly is again."""
    if last >= 0 and _is_ticker(buf, i, j, pool, starts, last):
        return last
    mask = len(slots) - 1
    slot = ticker_hash(buf, i, j) & mask
    while slots[slot] >= 0:
        if _is_ticker(buf, i, j, pool, starts, slots[slot]):
            return slots[slot]
        slot = (slot + 1) & mask
    return -1


@njit(cache=True)
def _scan_header(buf: Bytes, i: int, end: int, row: Ints) -> int:
    """Up to and including the opening quote of the ticker."""
    i = _literal(buf, i, end, HEAD)
    j = _integer(buf, i, end)
    if j < 0:
        return -1
    row[SID_COLUMN] = _value(buf, i, j)
    i = _literal(buf, _clock(buf, j, end), end, SEQ)
    j = _integer(buf, i, end)
    if j < 0:
        return -1
    row[SEQ_COLUMN] = _value(buf, i, j)
    return _literal(buf, _clock(buf, j, end), end, MSG)


@njit(cache=True)
def _scan_level(buf: Bytes, i: int, end: int, row: Ints) -> int:
    """Price and delta."""
    i = _literal(buf, i, end, PRICE)
    j = _digits(buf, i, end, 4)
    if j < 0 or j - i != 4:
        return -1
    price = _value(buf, i, j)
    if price == 0:
        return -1
    row[PRICE_COLUMN] = price
    i = _literal(buf, j, end, DELTA)
    negative = 0 < i < end and buf[i] == _MINUS
    i = i + 1 if negative else i
    j = _digits(buf, i, end, _MAX_WHOLE)
    if j < 0 or j >= end or buf[j] != _DOT:
        return -1
    k = _digits(buf, j + 1, end, 2)
    if k < 0 or k - j != 3:
        return -1
    delta = _value(buf, i, k)
    row[DELTA_COLUMN] = -delta if negative else delta
    return k


@njit(cache=True)
def _scan_tail(buf: Bytes, i: int, end: int, row: Ints) -> bool:
    """Side, times, and the end of the frame."""
    j = _literal(buf, i, end, SIDE_YES)
    row[SIDE_COLUMN] = YES
    if j < 0:
        j = _literal(buf, i, end, SIDE_NO)
        row[SIDE_COLUMN] = NO
    j = _string_of(buf, j, end, _MICROSECONDS)
    if j < 0:
        return False
    i = _literal(buf, j + 1, end, TS_MS)
    j = _integer(buf, i, end)
    if j < 0 or j >= end or buf[j] != _BRACE:
        return False
    row[TS_COLUMN] = _value(buf, i, j)
    j = _clock(buf, j + 1, end)
    return j == end - 1 and buf[j] == _BRACE


@njit(cache=True)
def _scan_frame(buf: Bytes, i: int, end: int, slots: Ints, pool: Bytes, starts: Ints, last: int, row: Ints) -> bool:
    i = _scan_header(buf, i, end, row)
    j = _string_of(buf, i, end, starts[last + 1] - starts[last] if last >= 0 else 0)
    if j <= i or j - i > _MAX_TICKER:
        return False
    market = find_ticker(buf, i, j, slots, pool, starts, last)
    if market < 0:
        return False
    row[MARKET_COLUMN] = market
    j = _string_of(buf, _literal(buf, j + 1, end, MARKET_ID), end, _UUID)
    if j < 0:
        return False
    i = _scan_level(buf, j + 1, end, row)
    return i >= 0 and _scan_tail(buf, i, end, row)


@njit(cache=True)
def scan(buf: Bytes, lengths: Ints, slots: Ints, pool: Bytes, starts: Ints, no_leg: bool, out: Any) -> int:
    """Fill one row of `out` per frame; MARKET_COLUMN is `NOT_HOT` where the frame was not recognised.

    The frames stand one behind the other in `buf`. Prices are in YES coordinates: with `no_leg` those of side NO
    are turned round. Returns how many frames were recognised.
    """
    found, last, end = 0, -1, 0
    for n in range(len(lengths)):
        row = out[n]
        start, end = end, end + lengths[n]
        if not _scan_frame(buf, start, end, slots, pool, starts, last, row):
            row[MARKET_COLUMN] = NOT_HOT
            continue
        found, last = found + 1, row[MARKET_COLUMN]
        if no_leg and row[SIDE_COLUMN] == NO:
            row[PRICE_COLUMN] = ONE_DOLLAR - row[PRICE_COLUMN]
    return found


@njit(cache=True)
def pick(rows: Ints, market: int, table: Any, sides: Any, ticks: Any, deltas: Ints, times: Ints) -> int:
    """Copy the deltas of one market into the arrays, prices as ticks of `table`. Returns their number, or -1 when
    a price is not in the table."""
    count = 0
    for n in range(rows.shape[0]):
        if rows[n, MARKET_COLUMN] != market:
            continue
        tick = table[rows[n, PRICE_COLUMN]]
        if tick < 0:
            return -1
        sides[count], ticks[count] = rows[n, SIDE_COLUMN], tick
        deltas[count], times[count] = rows[n, DELTA_COLUMN], rows[n, TS_COLUMN]
        count += 1
    return count
