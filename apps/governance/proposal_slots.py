"""The evidence every redesign is asked for: the sections of the market report, and the comparison of the options."""

from __future__ import annotations

from typing import NamedTuple


class SlotContent(NamedTuple):
    """`key` is the slot's short name; empty: made from the title."""

    key: str
    title: str
    wanted: str
    is_required: bool = True
    is_matrix: bool = False


MATRIX = "scenario-matrix"
STANDARD_SLOTS = (
    SlotContent(
        "liquidity",
        "Liquidity by category",
        "Traded volume, spread and time with both sides quoted, for weather, crypto and econ markets",
    ),
    SlotContent("depth", "Depth benchmarks", "Percentiles of size per level, by time of day and time to close"),
    SlotContent(
        "fill-rate", "Fill-rate baseline", "Share of orders that fill in like strategies, measured, with an interval"
    ),
    SlotContent(
        "sizing", "Sizing and spread recommendation", "Order size against visible depth, and the spread to ask"
    ),
    SlotContent("alternatives", "Alternatives", "Other strategies, spreads and time windows that were looked at"),
    SlotContent(
        MATRIX,
        "Scenario matrix",
        "Every option under every market condition, on recorded books: fills and net result with intervals",
        is_matrix=True,
    ),
)
