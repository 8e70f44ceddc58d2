"""Streaming readers for recorded WebSocket traffic, in every envelope we meet and in our own recorder's.

Our own format is gzip JSONL: a header `{"v":1,"started_ns":..,"use_yes_price":..,"source":".."}`, then one
`{"t": recv_ns, "c": connection_id, "f": "<exact frame text>"}` per frame, and `"x": "<hex>"` for one that was no text.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from apps.gateway.errors import BadField, MalformedFrame, MissingField, OversizedFrame, TruncatedRecording
from apps.gateway.gzip_stream import open_unpacked

RECORDER_VERSION = 1
MAX_DOCUMENT = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """One recorded line. `raw` is the wire frame's text, empty when the recorder noted an event of its own.

    `recv_ns` is Unix nanoseconds, None where the recording has no times. `control` names such an event
    (`watch_market`, `ws_connected`, `market_rotated`) and `info` is what the recorder said about it.
    """

    recv_ns: int | None
    connection_id: str | None
    raw: bytes
    control: str | None = None
    info: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RecordingHeader:
    """What is known about a recording before its first frame."""

    envelope: str
    use_yes_price: bool = False
    started_ns: int | None = None
    source: str = ""


class _Own(Struct):
    t: int
    c: str | int | None
    f: str
    x: str | None = None


class _OwnHeader(Struct):
    v: int
    started_ns: int
    use_yes_price: bool
    source: str = ""


class _Stamped(Struct):
    recv_ts_ns: int
    raw: str


class _Noted(Struct):
    """A recorder's own envelope around the parsed `msg`; the wire frame is rebuilt from it."""

    event_type: str
    local_recv_ns: int
    payload_json: dict[str, Any]
    sequence_number: int | None = None
    connection_id: str | None = None


class _DocumentFrame(Struct):
    frame: msgspec.Raw
    received_ms: int | None = None


class _Document(Struct):
    frames: list[_DocumentFrame]


class _Probe(Struct):
    """Just enough keys to tell the envelopes apart."""

    v: int | None = None
    f: Any = None
    raw: Any = None
    type: Any = None
    event_type: Any = None
    payload_json: msgspec.Raw = msgspec.Raw(b"")
    frames: msgspec.Raw = msgspec.Raw(b"")


_own = msgspec.json.Decoder(_Own)
_own_header = msgspec.json.Decoder(_OwnHeader)
_stamped = msgspec.json.Decoder(_Stamped)
_noted = msgspec.json.Decoder(_Noted)
_document = msgspec.json.Decoder(_Document)
_probe = msgspec.json.Decoder(_Probe)
_encode = msgspec.json.Encoder().encode

# Documented wire fields in wire order; the recorder adds old cent fields beside them, which never were sent.
_WIRE_FIELDS = {
    "orderbook_snapshot": ("market_ticker", "market_id", "yes_dollars_fp", "no_dollars_fp"),
    "orderbook_delta": ("market_ticker", "market_id", "price_dollars", "delta_fp", "side", "ts", "ts_ms"),
    "ticker": (
        "market_ticker",
        "market_id",
        "price_dollars",
        "yes_bid_dollars",
        "yes_ask_dollars",
        "yes_bid_size_fp",
        "yes_ask_size_fp",
        "last_trade_size_fp",
        "volume_fp",
        "open_interest_fp",
        "dollar_volume",
        "dollar_open_interest",
        "ts_ms",
        "ts",
        "time",
    ),
}
_CHANNEL = {"orderbook_snapshot": "orderbook_delta"}


@dataclass(slots=True)
class _NotedReader:
    """Numbers the connections and remembers each channel's sid, because the envelope lost both.

    The sids of the previous connection hold until the new one has named its own: this recorder always sends
    the same command, and it sometimes wrote a snapshot before the `subscribed` that preceded it.
    """

    connections: int = 0
    sids: dict[str, int] = field(default_factory=dict)

    def read(self, line: bytes) -> RecordedFrame:
        noted = _noted.decode(line)
        kind, payload = noted.event_type, noted.payload_json
        if kind == "ws_connected":
            self.connections += 1
        connection = f"{noted.connection_id or 'connection'}#{self.connections}"
        if kind == "ws_subscribed":
            msg = payload.get("msg")
            if isinstance(msg, dict) and isinstance(msg.get("sid"), int):
                self.sids[str(msg.get("channel"))] = msg["sid"]
            return RecordedFrame(noted.local_recv_ns, connection, _encode(payload))
        fields = _WIRE_FIELDS.get(kind)
        if fields is None:
            return RecordedFrame(noted.local_recv_ns, connection, b"", kind, payload)
        frame: dict[str, Any] = {"type": kind}
        sid = self.sids.get(_CHANNEL.get(kind, kind))
        if sid is not None:
            frame["sid"] = sid
        if noted.sequence_number is not None:
            frame["seq"] = noted.sequence_number
        frame["msg"] = {k: payload[k] for k in fields if k in payload}
        return RecordedFrame(noted.local_recv_ns, connection, _encode(frame))


def _read_own(line: bytes) -> RecordedFrame:
    own = _own.decode(line)
    # Bytes that were no text stand in `x`; `f` only shows them.
    raw = own.f.encode() if own.x is None else bytes.fromhex(own.x)
    return RecordedFrame(own.t, None if own.c is None else str(own.c), raw)


def _read_stamped(line: bytes) -> RecordedFrame:
    stamped = _stamped.decode(line)
    return RecordedFrame(stamped.recv_ts_ns, None, stamped.raw.strip().encode())


def _read_bare(line: bytes) -> RecordedFrame:
    # A bare frame is passed on unread, but a last line that is not JSON must show as cut off.
    msgspec.json.decode(line, type=msgspec.Raw)
    return RecordedFrame(None, None, line)


def _classify(line: bytes) -> str:
    """Name of the envelope of a first line; `document` also for the opening of an indented object."""
    try:
        probe = _probe.decode(line)
    except (msgspec.DecodeError, ValueError, RecursionError):
        text = line.strip()
        return "document" if text.startswith(b"{") and not text.endswith(b"}") else "bare"
    if probe.v is not None and probe.type is None:
        return "recorder"
    if bytes(probe.payload_json) and probe.event_type is not None:
        return "noted"
    if bytes(probe.frames):
        return "document"
    if probe.f is not None:
        raise MissingField("our recorder's file has no header line")
    return "stamped" if probe.raw is not None and probe.type is None else "bare"


class Recording:
    """An opened recording: `header` first, then iterate once over its frames.

    A line nobody can read is passed on as `raw`, so that the decoder refuses and counts it. A file that ends
    in the middle raises `TruncatedRecording` after everything before the cut was yielded.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stream = open_unpacked(path)
        try:
            self._first = self._next_line()
            self.header = self._read_header()
        except BaseException:
            self._stream.close()
            raise

    def close(self) -> None:
        """Only needed when the frames are not read to the end."""
        self._stream.close()

    def _read_header(self) -> RecordingHeader:
        if not self._first.strip():
            return RecordingHeader("bare")
        envelope = _classify(self._first)
        if envelope != "recorder":
            return RecordingHeader(envelope)
        try:
            own = _own_header.decode(self._first)
        except msgspec.DecodeError as e:
            raise BadField(f"header of {self.path.name}: {e}") from None
        if own.v != RECORDER_VERSION:
            raise BadField(f"{self.path.name} has recorder version {own.v}, not {RECORDER_VERSION}")
        self._first = b""
        return RecordingHeader(envelope, own.use_yes_price, own.started_ns, own.source)

    def _next_line(self) -> bytes:
        """Next line that is not blank, with its newline; empty at the end."""
        while True:
            try:
                line = self._stream.readline(MAX_DOCUMENT)
            except (EOFError, zlib.error) as e:
                raise TruncatedRecording(f"{self.path.name}: {e}") from None
            if not line or line.strip():
                return line

    def __iter__(self) -> Iterator[RecordedFrame]:
        with self._stream:
            if self.header.envelope == "document":
                yield from self._documents()
            else:
                yield from self._lines()

    def _lines(self) -> Iterator[RecordedFrame]:
        read = {
            "recorder": _read_own,
            "stamped": _read_stamped,
            "noted": _NotedReader().read,
            "bare": _read_bare,
        }[self.header.envelope]
        line = self._first or self._next_line()
        while line:
            try:
                frame = read(line.strip())
            except (msgspec.DecodeError, ValueError, RecursionError):
                if not line.endswith(b"\n"):
                    raise TruncatedRecording(f"{self.path.name}: the last line is cut off") from None
                frame = RecordedFrame(None, None, line.strip())
            yield frame
            line = self._next_line()

    def _documents(self) -> Iterator[RecordedFrame]:
        data = self._first + self._rest()
        try:
            document = _document.decode(data)
        except msgspec.ValidationError as e:
            raise BadField(f"{self.path.name}: {e}") from None
        except (msgspec.DecodeError, ValueError, RecursionError) as e:
            if "truncated" in str(e):
                raise TruncatedRecording(f"{self.path.name}: {e}") from None
            raise MalformedFrame(f"{self.path.name}: {e}") from None
        for item in document.frames:
            recv_ns = None if item.received_ms is None else item.received_ms * 1_000_000
            # Indented in the file; on the wire a frame is one compact line.
            yield RecordedFrame(recv_ns, None, msgspec.json.format(bytes(item.frame), indent=-1))

    def _rest(self) -> bytes:
        try:
            data = self._stream.read(MAX_DOCUMENT)
        except (EOFError, zlib.error) as e:
            raise TruncatedRecording(f"{self.path.name}: {e}") from None
        if len(data) >= MAX_DOCUMENT:
            raise OversizedFrame(f"{self.path.name}: a document of more than {MAX_DOCUMENT} bytes")
        return data


def open_recording(path: str | Path) -> Recording:
    """Open and look at the first line. Raises `OSError`, `TruncatedRecording`, `MissingField`, `BadField`."""
    return Recording(Path(path))


def read_recording(path: str | Path) -> Iterator[RecordedFrame]:
    """Frames of a recording in order; see `Recording`."""
    return iter(open_recording(path))
