"""What the console adds to stored orders: what the session knows of them now, and a denial in its numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from apps.core import live
from apps.risk.choices import LimitRule
from apps.trading.selectors import OrderDetail, OrderRow

from .live_state import UnreadableState, from_payload
from .state import LIVE_BOUND_S
from .words import in_words, rules_named

_SENTENCE = re.compile(r"(?P<node>.+?): (?P<rule>\w+) would be (?P<observed>.+), limit (?P<limit>.+)")
AMENDED = "amend"
DENIED = "deny"
UNKNOWN = "—"


@dataclass(frozen=True, slots=True)
class Denial:
    """Texts for the page; what the denial did not tell is a dash."""

    rule: str
    node: str
    observed: str
    limit: str


def with_live(rows: Iterable[OrderRow], *, now: datetime) -> tuple[OrderRow, ...]:
    """Open orders with the lease and the queue place the session knows; its word counts only while it is fresh."""
    rows = tuple(rows)
    if not any(row.is_open for row in rows):
        return rows
    told = _told(now)
    return tuple(_merged(row, told.get(row.client_order_id)) for row in rows)


def denial_of(detail: OrderDetail) -> Denial | None:
    """None for an order that was not denied."""
    event = next((event for event in detail.events if event.kind == DENIED), None)
    if event is None:
        return None
    # The gate's sentence has the units and the node; the stored detail is there for every rule.
    sentence = _SENTENCE.fullmatch(detail.order.outcome)
    said = {**event.detail, **(sentence.groupdict() if sentence else {})}
    rule = said.get("rule")
    return Denial(
        rule=UNKNOWN if rule is None else dict(LimitRule.choices).get(rule, in_words(str(rule))),
        node=str(said.get("node") or UNKNOWN),
        observed=rules_named(str(said.get("observed") or UNKNOWN)),
        limit=rules_named(str(said.get("limit") or UNKNOWN)),
    )


def amends_of(detail: OrderDetail) -> int:
    """How often the exchange took new terms over, renewals of the lease among them."""
    return sum(event.kind == AMENDED for event in detail.events)


def _told(now: datetime) -> dict[str, OrderRow]:
    payload = live.read("mission")
    try:
        state = None if payload is None else from_payload(payload)
    except UnreadableState:
        return {}
    if state is None or state.at is None or now - state.at > timedelta(seconds=LIVE_BOUND_S):
        return {}
    return {row.client_order_id: row for row in state.orders}


def _merged(row: OrderRow, told: OrderRow | None) -> OrderRow:
    if told is None:
        return row
    return replace(row, queue_ahead=told.queue_ahead, expires_at=told.expires_at or row.expires_at)
