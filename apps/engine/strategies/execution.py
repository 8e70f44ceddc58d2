"""How a strategy's wishes become orders: a part of its approved parameters, the same for every strategy."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from apps.engine.rollout import FULL_SHARE_BPS, ExecutionMode
from apps.engine.types import Price, Quantity, TimeInForce

from .params import Unit, choice, spec


class TakerTimeInForce(StrEnum):
    """ioc: what meets nothing at once is canceled. fok: all at once or no order."""

    IOC = "ioc"
    FOK = "fok"

    @property
    def engine(self) -> TimeInForce:
        return TimeInForce.FILL_OR_KILL if self is TakerTimeInForce.FOK else TimeInForce.IMMEDIATE_OR_CANCEL


@dataclass(frozen=True, slots=True)
class ExecutionParams:
    """Base of every strategy's parameters. The defaults rest post-only orders and never take, fade or requeue."""

    execution_mode: ExecutionMode = field(
        default=ExecutionMode.MAKER,
        metadata=choice(
            ExecutionMode, "maker rests post-only orders, sniper only takes, hybrid does one or the other by market"
        ),
    )
    taker_share_bps: int = field(
        default=0,
        metadata=spec(
            Unit.COUNT,
            "Share of markets that take in hybrid mode, in 1/100 %; always the same markets, and more of them the "
            "larger it is",
            high=FULL_SHARE_BPS,
        ),
    )
    taker_time_in_force: TakerTimeInForce = field(
        default=TakerTimeInForce.IOC,
        metadata=choice(TakerTimeInForce, "ioc takes what is there and cancels the rest, fok takes all or nothing"),
    )
    max_slippage: Price = field(
        default=100,
        metadata=spec(
            Unit.PRICE, "How far past the best price it was decided on a taking order may still go", high=1_000
        ),
    )
    min_edge: Price = field(
        default=100,
        metadata=spec(
            Unit.PRICE,
            "Take only what is this much better per contract than the reference price, after the fee",
            high=5_000,
        ),
    )
    reference_ms: int = field(
        default=30_000,
        metadata=spec(
            Unit.MILLISECONDS,
            "How far back the reference price looks: a slow middle of others' best prices",
            low=1_000,
            high=3_600_000,
        ),
    )
    fade_ticks: int = field(
        default=0,
        metadata=spec(Unit.COUNT, "Ticks a quote steps back for a while after its side was filled; 0 never", high=100),
    )
    fade_after_fill_ms: int = field(
        default=2_000,
        metadata=spec(Unit.MILLISECONDS, "How long it stays stepped back after a fill", high=600_000),
    )
    max_queue_ahead: Quantity = field(
        default=0,
        metadata=spec(
            Unit.QUANTITY,
            "Move a resting order that has more contracts than this ahead of it; 0 never",
            high=100_000_000,
        ),
    )
