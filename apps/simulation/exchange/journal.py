"""A file of JSON lines that only grows: one line per batch of rows, written before its effects are told to anybody.

A line is there whole or not at all. It is handed to the operating system, not forced to the disk: it survives the
end of the process by any signal, not a loss of power.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from zlib import crc32

import msgspec

from .rows import Row

log = logging.getLogger(__name__)

_HEADER = b'{"kalshiops exchange state":1}\n'
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Row]).decode


class StateFileError(Exception):
    """The exchange cannot keep its state in this file."""


class StateInUse(StateFileError):
    """Another exchange has the file open."""


class StateCorrupt(StateFileError):
    """A line that cannot be read; `line` counts from one."""

    def __init__(self, path: Path, line: int, why: str) -> None:
        super().__init__(f"{path}, line {line}: {why}")
        self.path = path
        self.line = line


class Journal:
    """Opens or creates the file and locks it for this process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._failed = False
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            os.close(self._fd)
            raise StateInUse(f"{path} is used by another exchange") from e

    def close(self) -> None:
        os.close(self._fd)

    def read(self) -> Iterator[Row]:
        """Every row in order; a torn last line is cut off. Raises `StateCorrupt` for anything else."""
        good = 0
        with self.path.open("rb") as lines:
            first = lines.readline()
            if first == _HEADER:
                good = len(first)
            elif not _HEADER.startswith(first):
                raise StateCorrupt(self.path, 1, "this is no exchange state, or one of another version")
            for number, line in enumerate(lines, 2):
                payload = _checked(line)
                if payload is None:
                    if lines.read(1):
                        raise StateCorrupt(self.path, number, "it does not fit its checksum")
                    log.warning("%s, line %d was torn and is cut off", self.path, number)
                    break
                yield from self._rows(number, payload)
                good += len(line)
        os.ftruncate(self._fd, good)
        if not good:
            self._write(_HEADER)

    def _rows(self, number: int, payload: bytes) -> list[Row]:
        try:
            return _decode(payload)
        except msgspec.DecodeError as e:
            raise StateCorrupt(self.path, number, str(e)) from e

    def append(self, rows: Sequence[Row]) -> None:
        """Write a batch. After a failure nothing more is taken, so that no line follows half of another."""
        payload = _encode(rows)
        self._write(b"%08x %s\n" % (crc32(payload), payload))

    def _write(self, line: bytes) -> None:
        if self._failed:
            raise StateFileError(f"{self.path} takes nothing more after a failed write")
        self._failed = True
        try:
            written = os.write(self._fd, line)
        except OSError as e:
            raise StateFileError(f"{self.path} cannot be written: {e}") from e
        if written != len(line):
            raise StateFileError(f"{self.path} took {written} of {len(line)} bytes")
        self._failed = False


def _checked(line: bytes) -> bytes | None:
    """The payload of a whole line, None for one that is torn or changed."""
    if not line.endswith(b"\n"):
        return None
    checksum, _, payload = line[:-1].partition(b" ")
    return payload if checksum == b"%08x" % crc32(payload) else None
