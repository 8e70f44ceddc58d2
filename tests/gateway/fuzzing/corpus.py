"""What the fuzzer starts from: recorded runs of frames, one frame of every kind, bodies of the replies we act on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path

from apps.engine.decimals import format_price, format_quantity
from apps.engine.grid import CENTI_CENT, DECI_CENT, PriceGrid, price_grid
from apps.gateway.errors import TruncatedRecording
from apps.gateway.kalshi.recordings import Recording, open_recording
from tests.gateway.recorded import ALL_DATA, DATA, rest_bundles

from .reference import DOLLAR, Meaning, Refused, frame_meaning
from .slow_books import SlowBooks

RUN = 48
"""Frames of one run: a snapshot and what follows it."""
FRAMES_PER_FILE = 10_000


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive frames from a snapshot on, how their NO prices are written, and the grid to read them on."""

    frames: tuple[bytes, ...]
    use_yes_price: bool
    grid: PriceGrid


def every_kind() -> tuple[bytes, ...]:
    """One frame of every kind the exchange documents."""
    return tuple((Path(__file__).parent / "frames.jsonl").read_bytes().splitlines())


def ws_files(*, everything: bool) -> list[Path]:
    files = sorted((DATA / "ws").glob("*.json*"))
    if everything and ALL_DATA.is_dir():
        files += [p for p in sorted((ALL_DATA / "ws").glob("*.json*")) if ".meta." not in p.name]
    return files


def runs_of(path: Path) -> Iterator[Run]:
    """A recording in pieces. Each begins with snapshots of all books as they stood there, so that all of it is used."""
    recording = open_recording(path)
    yes = recording.header.use_yes_price
    grid = price_grid(DECI_CENT if "kxbtc15m" in path.name else CENTI_CENT)
    books = SlowBooks(price_grid(CENTI_CENT))
    current: list[bytes] = []
    for raw in _frames(recording):
        try:
            meaning = frame_meaning(raw, yes=yes)
        except Refused:
            continue
        if len(current) >= RUN or (current and meaning[0] == "orderbook_snapshot"):
            yield Run(tuple(current), yes, grid)
            current = []
        if not current and meaning[0] == "orderbook_delta":
            current = _snapshots(books, meaning, yes=yes)
        if current or meaning[0] == "orderbook_snapshot":
            current.append(raw)
        books.on(meaning)
    if current:
        yield Run(tuple(current), yes, grid)


def _snapshots(books: SlowBooks, following: Meaning, *, yes: bool) -> list[bytes]:
    """Frames that bring fresh books to where the recorded ones stand before the message `following`."""
    sid, seq = following[1], following[2]
    good = [(ticker, book.shown()) for ticker, book in books.books.items() if book.state == "ok"]
    if following[3] not in books.books or seq <= len(good):
        return []
    frames = []
    for number, (ticker, (bids, asks)) in enumerate(good, start=seq - len(good)):
        msg = {
            "market_ticker": ticker,
            "market_id": "9b0f6b43-5b68-4f9f-9f02-9a2d1b8ac1a1",
            "yes_dollars_fp": [[format_price(p), format_quantity(q)] for p, q in bids],
            "no_dollars_fp": [[format_price(p if yes else DOLLAR - p), format_quantity(q)] for p, q in asks],
        }
        frame = {"type": "orderbook_snapshot", "sid": sid, "seq": number, "msg": msg}
        frames.append(json.dumps(frame, separators=(",", ":")).encode())
    return frames


def _frames(recording: Recording) -> Iterator[bytes]:
    """The first frames; a recording that is cut off has them up to the cut."""
    with closing(recording), suppress(TruncatedRecording):
        yield from (frame.raw for frame in islice(recording, FRAMES_PER_FILE) if frame.raw)


@cache
def runs(*, everything: bool = False) -> tuple[Run, ...]:
    """Recorded runs, and one run made of one frame of every kind."""
    found = [run for path in ws_files(everything=everything) for run in runs_of(path)]
    return (*found, Run(every_kind(), True, price_grid(CENTI_CENT)))


_ACK = {"order_id": "o1", "client_order_id": "alice-1", "fill_count": "1.00", "remaining_count": "9.00", "ts_ms": 5}
_OTHER = {**_ACK, "order_id": "o2", "client_order_id": "alice-2", "average_fill_price": "0.4700"}
_REFUSED = {"client_order_id": "alice-3", "error": {"code": "insufficient_balance", "message": "m", "details": ""}}
_WRITTEN: dict[str, object] = {
    "OrderReply": _ACK,
    "AmendReply": {**_ACK, "average_fill_price": "0.4700", "average_fee_paid": "0.0100"},
    "DecreaseReply": {"order_id": "o1", "client_order_id": "alice-1", "remaining_count": "2.00", "ts_ms": 5},
    "CancelReply": {"order_id": "o1", "reduced_by": "2.00", "ts_ms": 5},
    "BatchCreateReply": {"orders": [_ACK, _OTHER, _REFUSED]},
    "BatchCancelReply": {
        "orders": [
            {"order_id": "o1", "reduced_by": "2.00", "ts_ms": 5},
            {"order_id": "o2", "reduced_by": "0.00", "error": {"code": "not_found"}},
        ]
    },
    "OrderGroupList": {"order_groups": [{"id": "g1", "contracts_limit_fp": "50.00", "is_auto_cancel_enabled": True}]},
    "OrderGroupCreated": {"order_group_id": "g1", "subaccount": 0, "exchange_index": 0},
    "QueuePositions": {
        "queue_positions": [{"order_id": "o1", "market_ticker": "KXTEST-26NOV20-T50", "queue_position_fp": "3.00"}]
    },
    "ExchangeStatus": {"exchange_active": False, "trading_active": False},
    "error": {"error": {"code": "insufficient_balance", "message": "too little", "details": "d"}},
}
_RECORDED = {
    "OrderPage": "portfolio__orders_list.json",
    "FillPage": "fills__after_taker.json",
    "PositionPage": "portfolio__positions.json",
    "Balance": "auth__balance_ok.json",
    "AccountLimits": "account__limits.json",
    "EndpointCosts": "account__endpoint_costs.json",
    "OrderReply": "orders__create_v2_maker.json",
    "CancelReply": "orders__cancel_v2.json",
}


@cache
def bodies() -> tuple[tuple[str, bytes], ...]:
    """(name of the model, body); `error` stands for the bodies of refusals."""
    demo = rest_bundles()["demo_20260611"]
    found = [(kind, json.dumps(body).encode()) for kind, body in _WRITTEN.items()]
    found += [(kind, demo[name].encode()) for kind, name in _RECORDED.items()]
    for name, text in demo.items():
        if name.startswith("orders__") and name.endswith(".json") and '"error"' in text and ".meta." not in name:
            found.append(("error", text.encode()))
    return tuple(found)
