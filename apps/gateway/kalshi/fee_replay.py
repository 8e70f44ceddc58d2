"""Recorded fills against the fee rule: what was charged, what the rule says, and which rule was used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from apps.engine.decimals import format_money, format_price, format_quantity
from apps.engine.fees import FeeRule
from apps.engine.fees_check import FeeComparison, RecordedFill, compare
from apps.engine.fees_history import rule_on
from apps.engine.types import Fill, Ticker
from apps.gateway.errors import BadMessage, RequestRefused, UnknownMessage
from apps.gateway.kalshi.bodies import FillPage, SeriesBody, SeriesList, parse
from apps.gateway.kalshi.frames import FillFrame
from apps.gateway.kalshi.messages import Decoder
from apps.gateway.kalshi.models import Series
from apps.gateway.kalshi.recordings import open_recording

SERIES_CAPTURE = "series_fee_fields.json"


class _Captured(Struct):
    """A capture that keeps the body under `payload` or `response`, or is the body itself."""

    payload: msgspec.Raw = msgspec.Raw(b"")
    response: msgspec.Raw = msgspec.Raw(b"")
    payloads: dict[str, msgspec.Raw] | None = None
    fills: msgspec.Raw = msgspec.Raw(b"")
    series: msgspec.Raw = msgspec.Raw(b"")


@dataclass(frozen=True, slots=True)
class SeriesRules:
    """Fee rules by series; for series not listed, multipliers by prefix given by the caller, then dated history."""

    rules: Mapping[str, FeeRule]
    families: Mapping[str, FeeRule] = field(default_factory=dict)

    def of(self, ticker: Ticker, at: datetime) -> tuple[FeeRule, str]:
        """The rule and where it came from: a series' name, `prefix*`, or `history` (the published schedule of the
        day and what recorded fills showed of it). Raises `UnknownFeeType` before the first schedule."""
        for name in _longest_first(self.rules):
            if ticker == name or ticker.startswith(f"{name}-"):
                return self.rules[name], name
        for prefix in _longest_first(self.families):
            if ticker.startswith(prefix):
                return self.families[prefix], f"{prefix}*"
        return rule_on(at, ticker), "history"


def _longest_first(names: Iterable[str]) -> list[str]:
    return sorted(names, key=len, reverse=True)


def fee_rules(beside: Path, series: Path | None, multipliers: Sequence[str]) -> SeriesRules:
    """Rules from a series file (else the capture `series_fee_fields.json` next to the fills, if there is one)
    and from `PREFIX=MULTIPLIER` texts. Raises `OSError`, a `BadMessage`, `RequestRefused` or `BadNumber`."""
    neighbor = beside.with_name(SERIES_CAPTURE)
    chosen = series or (neighbor if neighbor.is_file() else None)
    families: dict[str, FeeRule] = {}
    for text in multipliers:
        prefix, equals, multiplier = text.partition("=")
        if not (prefix and equals and multiplier):
            raise RequestRefused(f"not PREFIX=MULTIPLIER: {text!r}")
        families[prefix] = FeeRule.of("quadratic", multiplier)
    return SeriesRules(read_series_rules(chosen) if chosen else {}, families)


def _captured(path: Path) -> tuple[_Captured, bytes]:
    data = path.read_bytes()
    return parse(_Captured, data), data


def read_series_rules(path: Path) -> dict[str, FeeRule]:
    """From one series body, a list of series, or a capture of several. Raises a `BadMessage`."""
    captured, data = _captured(path)
    found: tuple[Series, ...]
    if captured.payloads is not None:
        found = tuple(parse(SeriesBody, bytes(raw)).series for raw in captured.payloads.values())
    elif bytes(captured.series).startswith(b"["):
        found = parse(SeriesList, data).series
    elif bytes(captured.series):
        found = (parse(SeriesBody, data).series,)
    else:
        raise UnknownMessage(f"{path.name} holds no series")
    return {s.ticker: FeeRule.of(s.fee_type, s.fee_multiplier) for s in found}


def read_fills(path: Path) -> list[Fill]:
    """Fills of a REST body, a capture of one, or a WebSocket recording. Raises a `BadMessage`."""
    try:
        captured, data = _captured(path)
    except BadMessage:
        return _recorded_fills(path)
    for raw in (bytes(captured.payload), bytes(captured.response)):
        if raw:
            return [fill.to_engine() for fill in parse(FillPage, raw).fills]
    if bytes(captured.fills):
        return [fill.to_engine() for fill in parse(FillPage, data).fills]
    return _recorded_fills(path)


def _recorded_fills(path: Path) -> list[Fill]:
    recording = open_recording(path)
    decoder = Decoder(use_yes_price=recording.header.use_yes_price)
    frames = (decoder.decode(recorded.raw) for recorded in recording if recorded.control is None)
    fills = [frame.fill for frame in frames if isinstance(frame, FillFrame)]
    if not fills:
        raise UnknownMessage(f"{path.name} holds no fills")
    return fills


def check_fees(path: Path, rules: SeriesRules) -> dict[str, Any]:
    """Predicted against charged for every fill of a file, with the rule and rounding used for each."""
    fills = [_recorded(fill, rules) for fill in read_fills(path)]
    rows = [_row(comparison, rules) for comparison in compare(fills)]
    return {
        "file": path.name,
        "fills": len(rows),
        "matching": sum(row["difference"] == format_money(0) for row in rows),
        "rows": rows,
    }


def _recorded(fill: Fill, rules: SeriesRules) -> RecordedFill:
    at = datetime.fromtimestamp(fill.ts_ms / 1000, UTC)
    return RecordedFill(
        fill.trade_id,
        fill.order_id,
        fill.ticker,
        fill.side,
        fill.price,
        fill.quantity,
        fill.is_taker,
        fill.fee,
        at,
        rules.of(fill.ticker, at)[0],
    )


def _row(comparison: FeeComparison, rules: SeriesRules) -> dict[str, Any]:
    fill = comparison.fill
    return {
        "trade_id": fill.trade_id,
        "ticker": fill.ticker,
        "side": fill.side.value,
        "price": format_price(fill.price),
        "quantity": format_quantity(fill.quantity),
        "is_taker": fill.is_taker,
        "predicted": format_money(comparison.predicted),
        "charged": format_money(comparison.charged),
        "difference": format_money(comparison.difference),
        "fee_type": fill.rule.fee_type,
        "multiplier": format_money(fill.rule.multiplier_micro),
        "rule_from": rules.of(fill.ticker, fill.at)[1],
        "rounding": comparison.rounding,
    }
