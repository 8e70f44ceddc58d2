"""The ways an order can go, each with the market that makes it go there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.engine.types import Side
from apps.simulation.exchange.faults import FaultKind
from apps.simulation.exchange.rest.call import Request

from .market import Act, Floor, Hook, Script, Stages, When

BID, ASK = Side.BID, Side.ASK
BID_ONLY = {"quote_ask": "false"}
# Where the strategy rests with others at 0.56/0.60, and where once the best bid has gone.
HIGH, LOW, SELL = 5700, 5500, 5900
ORDERS = "/trade-api/v2/portfolio/events/orders"


@dataclass(frozen=True)
class Path:
    """`prelude`: the step at which a first session dies; the steps of its successor are then those of the path.

    How a session starts is the same on every path without one, so that it is taken apart `with_start` on one alone.
    """

    name: str
    script: Script
    params: Mapping[str, str] = field(default_factory=dict)
    prelude: str | None = None
    with_start: bool = False
    shortened: Mapping[str, float] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        return self.name.replace(" ", "-")


def nothing(floor: Floor) -> None:
    """A stage that only waits."""


def rests(side: Side, price: int) -> When:
    return lambda floor: floor.resting(side, price)


def hit(side: Side, price: int, total: int) -> Act:
    return lambda floor: floor.crowd_hits(side, price, total)


def best_bid_goes(floor: Floor) -> None:
    """Our bid now stands too far inside and is drawn back."""
    floor.level(BID, 5600, -50_000)


def bids_go(floor: Floor) -> None:
    """Nothing to quote against: our bid is taken off."""
    floor.level(BID, 5600, -50_000)


def a_low_bid_comes(floor: Floor) -> None:
    floor.level(BID, 5400, 50_000)


def nothing_rests(floor: Floor) -> bool:
    return not floor.open()


def both_rest(floor: Floor) -> bool:
    return bool(rests(BID, HIGH)(floor) and rests(ASK, SELL)(floor))


def fails(kind: FaultKind, method: str, path: str = ORDERS) -> Act:
    return lambda floor: floor.exchange.faults.plan(kind, method, path)


def is_amend(request: Request) -> bool:
    return request.method == "POST" and request.path.endswith("/amend")


def is_cancel(request: Request) -> bool:
    return request.method == "DELETE"


def is_change(request: Request) -> bool:
    return is_amend(request) or is_cancel(request)


def filled_before(which: Callable[[Request], bool], total: int) -> Hook:
    """The request comes too late: somebody has just taken so much of the order at the old price."""

    def hook(floor: Floor, request: Request) -> None:
        if which(request) and floor.resting(BID, HIGH):
            floor.crowd_hits(BID, HIGH, total)

    return hook


def settle(floor: Floor) -> None:
    market = floor.market().ticker
    floor.exchange.determine(market, "yes")
    floor.exchange.settle(market)


def cross_first(floor: Floor, request: Request) -> None:
    """The book meets our price just before our first order arrives, so that post-only refuses it."""
    if request.method == "POST" and request.path == ORDERS and not floor.account.orders:
        floor.level(ASK, HIGH, 10_000)


def uncross(floor: Floor) -> None:
    floor.level(ASK, HIGH, -10_000)


def renewed(floor: Floor) -> bool:
    """An order's expiry is further off than it was when the order came."""
    return any((o.expires_at_s or 0) > (o.intent.expires_at_s or 0) for o in floor.open())


# A move is an amend to a less eager price; a cancel is what a book without bids leads to, hence one bid to begin with.
MOVE: Stages = ((rests(BID, HIGH), best_bid_goes), (rests(BID, LOW), nothing))
CANCEL: Stages = ((rests(BID, HIGH), bids_go), (nothing_rests, a_low_bid_comes), (rests(BID, LOW), nothing))
ONE_BID = ((5600, 50_000),)
REST: Stages = ((rests(BID, HIGH), nothing),)


def one_sided(name: str, stages: Stages, *, with_start: bool = False, prelude: str | None = None, **more: Any) -> Path:
    """A path on which only the bid is quoted."""
    shortened = more.pop("shortened", {})
    return Path(name, Script(stages, **more), BID_ONLY, prelude, with_start, shortened)


PATHS = (
    one_sided("create rest cancel", REST, with_start=True),
    one_sided(
        "part fill then move",
        ((rests(BID, HIGH), hit(BID, HIGH, 400)), (lambda f: f.filled(BID) == 400, best_bid_goes), MOVE[1]),
    ),
    Path("batch of two sides", Script(((both_rest, nothing),))),
    Path(
        "both sides fill",
        Script(
            (
                (rests(BID, HIGH), hit(BID, HIGH, 1_000)),
                (rests(ASK, SELL), hit(ASK, SELL, 1_000)),
                (both_rest, nothing),
            ),
            fee_type="quadratic_with_maker_fees",
        ),
    ),
    one_sided("move loses to a fill", MOVE, on_write=filled_before(is_change, 1_000)),
    one_sided("move meets a part fill", MOVE, on_write=filled_before(is_change, 300)),
    one_sided("cancel loses to a fill", CANCEL, bids=ONE_BID, on_write=filled_before(is_cancel, 1_000)),
    one_sided("cancel meets a part fill", CANCEL, bids=ONE_BID, on_write=filled_before(is_cancel, 300)),
    one_sided(
        "held position settles",
        (
            (rests(BID, HIGH), hit(BID, HIGH, 1_000)),
            (lambda floor: floor.filled(BID) == 1_000, settle),
            (nothing_rests, nothing),
        ),
    ),
    one_sided("create unanswered but done", REST, begin=fails(FaultKind.ERROR_AFTER, "POST")),
    one_sided("create unanswered and not done", REST, begin=fails(FaultKind.ERROR_BEFORE, "POST")),
    one_sided("move unanswered but done", MOVE, begin=fails(FaultKind.ERROR_AFTER, "POST", f"{ORDERS}/")),
    one_sided("move unanswered and not done", MOVE, begin=fails(FaultKind.ERROR_BEFORE, "POST", f"{ORDERS}/")),
    one_sided("cancel unanswered but done", CANCEL, bids=ONE_BID, begin=fails(FaultKind.ERROR_AFTER, "DELETE")),
    one_sided("cancel unanswered and not done", CANCEL, bids=ONE_BID, begin=fails(FaultKind.ERROR_BEFORE, "DELETE")),
    one_sided(
        "refused as crossing",
        ((lambda floor: floor.account.orders, uncross), (rests(BID, HIGH), nothing)),
        on_write=cross_first,
    ),
    Path(
        "kill switch",
        Script(
            (
                (both_rest, lambda floor: (floor.crowd_hits(BID, HIGH, 400), floor.ask_operator("kill"))),
                (lambda floor: floor.acted("kill") and nothing_rests(floor), nothing),
            )
        ),
    ),
    one_sided(
        "connection breaks",
        (
            (rests(BID, HIGH), lambda floor: (floor.drop_connections(), floor.crowd_hits(BID, HIGH, 400))),
            (lambda floor: floor.filled(BID) == 400, nothing),
        ),
    ),
    # With 54 of 55 seconds left an order counts as due.
    one_sided("renewed by amend", ((renewed, nothing),), shortened={"RENEW_BELOW_S": 54}),
    # Any order counts as many, so that the start of the successor stops groups and resets them.
    Path("off by group", Script(((both_rest, nothing),)), {}, "venue.submit_many:after#1", shortened={"MANY": 0}),
    one_sided(
        "recovery after a kill",
        ((rests(BID, HIGH), hit(BID, HIGH, 400)), (rests(BID, HIGH), nothing)),
        prelude="venue.submit:after#1",
    ),
)
