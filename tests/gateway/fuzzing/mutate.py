"""Byte-level damage to JSON texts, seeded: what broken networks, careless releases and bad luck could send."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from random import Random

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_FIELD = re.compile(rb'"(\w+)":("[^"]*"|-?[\d.]+|true|false|null)')
_KEY = re.compile(rb'"(\w+)":')
_NUMBERS = (
    b"0", b"-0", b"-1", b"1", b"0.0", b"00", b"01", b"1.", b".5", b"+1", b"1e3", b"1E400", b"-1e-400", b"0.00005",
    b"0.9999", b"1.0000", b"1.0001", b"0.0001", b"9" * 15, b"9" * 20, b"9" * 400, b"9007199254740993",
    b"-9223372036854775809", b"18446744073709551616", b"100000000000000.01", b"NaN", b"Infinity", b"-Infinity", b"nan",
    b"null", b"true", b'"7"', b"0x10", b"1_000", b"\xd9\xa1", b"[]", b"{}", b'""',
)  # fmt: skip
_PIECES = (
    b'"', b"\\", b"{", b"}", b"[", b"]", b":", b",", b"\x00", b"\x1f", b"\x7f", b"\xff", b"\xc3\x28", b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", b"\\ud800", b"\\u0000", b"\\x", b"/**/", b" ", b"\r\n", b"null", b"NaN",
    b"Infinity", b"yes", b"no", b"bid", b"ask", b"-", b".", b"e",
)  # fmt: skip
_SOON = 4


class Mutator:
    """Damages texts; what it does depends on the generator alone. `pool` is what splices are cut from."""

    def __init__(self, rng: Random, pool: Sequence[bytes]) -> None:
        self._rng = rng
        self._pool = pool
        self._ways: tuple[Callable[[bytes], bytes], ...] = (
            self.flip, self.put, self.cut_short, self.cut_out, self.repeat, self.splice, self.number, self.number,
            self.number, self.digit, self.digit, self.twice, self.rename, self.remove, self.swap_values, self.nest,
        )  # fmt: skip

    def damaged(self, data: bytes) -> bytes:
        """One kind of damage, now and then several on top of each other."""
        for _ in range(1 if self._rng.random() < 0.8 else 1 + self._rng.randrange(_SOON)):
            data = self._rng.choice(self._ways)(data)
        return data

    def _at(self, data: bytes) -> int:
        return self._rng.randrange(len(data) + 1)

    def _span(self, data: bytes) -> tuple[int, int]:
        start = self._at(data)
        return start, min(len(data), start + 1 + self._rng.randrange(24))

    def flip(self, data: bytes) -> bytes:
        if not data:
            return data
        at = self._rng.randrange(len(data))
        return data[:at] + bytes((data[at] ^ (1 << self._rng.randrange(8)),)) + data[at + 1 :]

    def put(self, data: bytes) -> bytes:
        at = self._at(data)
        over = self._rng.randrange(2)
        return data[:at] + self._rng.choice(_PIECES) + data[at + over :]

    def cut_short(self, data: bytes) -> bytes:
        return data[: self._at(data)]

    def cut_out(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:start] + data[end:]

    def repeat(self, data: bytes) -> bytes:
        start, end = self._span(data)
        return data[:end] + data[start:end] * (1 + self._rng.randrange(3)) + data[end:]

    def splice(self, data: bytes) -> bytes:
        other = self._rng.choice(self._pool)
        return data[: self._at(data)] + other[self._at(other) :]

    def number(self, data: bytes) -> bytes:
        return self._replaced(_NUMBER, data, lambda _: self._rng.choice(_NUMBERS))

    def digit(self, data: bytes) -> bytes:
        """Another number of the same form: the damage that still reads well."""
        return self._replaced(
            _NUMBER, data, lambda m: re.sub(rb"\d", lambda _: b"%d" % self._rng.randrange(10), m.group())
        )

    def twice(self, data: bytes) -> bytes:
        """A key given twice, with another value the second time or the first."""
        found = list(_FIELD.finditer(data))
        if len(found) < 2:
            return data
        one, other = self._rng.choice(found), self._rng.choice(found)
        copy = b'"' + one.group(1) + b'":' + other.group(2)
        if self._rng.random() < 0.5:
            return data[: one.start()] + copy + b"," + data[one.start() :]
        return data[: one.end()] + b"," + copy + data[one.end() :]

    def rename(self, data: bytes) -> bytes:
        return self._replaced(_KEY, data, lambda m: b'"' + self.flip(m.group(1)) + b'":')

    def remove(self, data: bytes) -> bytes:
        found = list(_FIELD.finditer(data))
        if not found:
            return data
        gone = self._rng.choice(found)
        end = gone.end() + (data[gone.end() : gone.end() + 1] == b",")
        return data[: gone.start()] + data[end:]

    def swap_values(self, data: bytes) -> bytes:
        found = list(_FIELD.finditer(data))
        if len(found) < 2:
            return data
        one, other = sorted(self._rng.sample(found, 2), key=lambda m: m.start())
        (a, b), (c, d) = one.span(2), other.span(2)
        return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]

    def nest(self, data: bytes) -> bytes:
        deep = 10 ** self._rng.randrange(1, 4) if self._rng.random() < 0.99 else 200_000
        piece = self._rng.choice((b"[", b'{"a":', b'{"msg":'))
        return self._replaced(_FIELD, data, lambda m: b'"' + m.group(1) + b'":' + piece * deep)

    def _replaced(self, what: re.Pattern[bytes], data: bytes, by: Callable[[re.Match[bytes]], bytes]) -> bytes:
        found = list(what.finditer(data))
        if not found:
            return data
        one = self._rng.choice(found)
        return data[: one.start()] + by(one) + data[one.end() :]
