"""Reading a file that may be gzip and may be cut off: whatever was flushed comes out before the error."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any, BinaryIO

_MAGIC = b"\x1f\x8b"
_GZIP = 31
_CHUNK = 1 << 15
_BUFFER = 1 << 16


class GzipMembers(io.RawIOBase):
    """The unpacked bytes of a gzip file of one or more members, for an `io.BufferedReader`.

    Raises `EOFError` where the file ends within a member and `zlib.error` where it is damaged, each only after
    everything before was given out; a reader of the standard library drops what it has unpacked by then.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._member = zlib.decompressobj(_GZIP)
        self._packed = b""
        self._in_member = False
        self._ended = False
        self._damage: zlib.error | None = None

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._stream.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        """At least one byte, or 0 at the end of a whole file."""
        if not len(buffer):
            return 0
        while True:
            if self._damage is not None:
                raise self._damage
            if not self._packed and not self._ended:
                self._packed = self._stream.read(_CHUNK)
                self._ended = not self._packed
            if not self._in_member and not self._next_member():
                if self._ended:
                    return 0
                continue
            data = self._unpack(len(buffer))
            if data:
                buffer[: len(data)] = data
                return len(data)
            if self._ended and self._in_member and self._damage is None:
                raise EOFError("the file ends within its compressed data")

    def _next_member(self) -> bool:
        # Zeros may pad the end of a file, as tape archives and some file systems leave them.
        self._packed = self._packed.lstrip(b"\0")
        self._in_member = bool(self._packed)
        return self._in_member

    def _unpack(self, limit: int) -> bytes:
        before = self._member.copy()
        try:
            data = self._member.decompress(self._packed, limit)
        except zlib.error as e:
            self._damage = e
            return _up_to_the_damage(before, self._packed)
        self._packed = self._member.unconsumed_tail
        if self._member.eof:
            self._packed = self._member.unused_data
            self._member = zlib.decompressobj(_GZIP)
            self._in_member = False
        return data


def _up_to_the_damage(member: Any, packed: bytes) -> bytes:
    """What a failing piece holds before the place where it fails; found byte by byte."""
    found = bytearray()
    for n in range(len(packed)):
        try:
            found += member.decompress(packed[n : n + 1])
        except zlib.error:
            break
    return bytes(found)


def open_unpacked(path: Path, offset: int = 0) -> BinaryIO:
    """Buffered stream from `offset`, a member's start; unpacked when the content (not the name) says gzip."""
    stream = path.open("rb")
    try:
        compressed = stream.read(len(_MAGIC)) == _MAGIC
        stream.seek(offset)
    except BaseException:
        stream.close()
        raise
    return io.BufferedReader(GzipMembers(stream), _BUFFER) if compressed else stream
