"""Damaged replies through the readers of REST bodies, checked against the slow reading.

A finding is any exception that is no `BadMessage`, an acknowledgement that the reply does not carry for our order, a
refusal believed that names another order, or another meaning of an order, a fill, a position or the cash.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from typing import Any

from apps.engine.ports import CancelAck, OrderAck
from apps.engine.types import OrderIntent, Side
from apps.gateway.errors import BadMessage, GatewayError, VenueRejected
from apps.gateway.kalshi import batch_replies, bodies
from apps.gateway.kalshi import portfolio_models as p
from apps.gateway.kalshi.error_bodies import error_of

from . import reference as ref
from .corpus import bodies as corpus_bodies
from .frame_trial import Tally
from .mutate import Mutator

STATUSES = (200, 201, 204, 301, 400, 401, 404, 409, 410, 429, 500, 503)
INTENTS = [OrderIntent(f"alice-{n}", "M", Side.BID, 5000, 1000) for n in (1, 2, 3)]
ORDERS = [("o1", "M"), ("o2", "M")]
KINDS: dict[str, type] = {
    "OrderReply": p.OrderReply,
    "AmendReply": p.AmendReply,
    "DecreaseReply": p.DecreaseReply,
    "CancelReply": p.CancelReply,
    "BatchCreateReply": bodies.BatchCreateReply,
    "BatchCancelReply": bodies.BatchCancelReply,
    "OrderGroupList": bodies.OrderGroupList,
    "OrderGroupCreated": p.OrderGroupCreated,
    "QueuePositions": bodies.QueuePositions,
    "ExchangeStatus": p.ExchangeStatus,
    "OrderPage": bodies.OrderPage,
    "FillPage": bodies.FillPage,
    "PositionPage": bodies.PositionPage,
    "Balance": p.Balance,
    "AccountLimits": p.AccountLimits,
    "EndpointCosts": p.EndpointCosts,
}


def _create(reply: Any) -> Any:
    ack = reply.to_engine("alice-1")
    return ack.order_id, reply.client_order_id or None, ack.filled, ack.remaining, ack.ts_ms


def _created(body: dict[str, Any]) -> Any:
    return (
        ref.name(body.get("order_id")), ref.maybe(ref.text, body, "client_order_id") or None,
        ref.size(body.get("fill_count")), ref.size(body.get("remaining_count")), ref.whole(body.get("ts_ms")),
    )  # fmt: skip


def _amended(body: dict[str, Any]) -> Any:
    return (
        ref.name(body.get("order_id")), ref.maybe(ref.size, body, "fill_count"),
        ref.maybe(ref.size, body, "remaining_count"), ref.whole(body.get("ts_ms")),
    )  # fmt: skip


def _amend(reply: Any) -> Any:
    ack = reply.to_engine()
    return ack.order_id, ack.filled, ack.remaining, ack.ts_ms


def _cancel(reply: Any) -> Any:
    ack = reply.to_engine()
    return ack.order_id, ack.reduced_by, ack.ts_ms


def _canceled(body: dict[str, Any]) -> Any:
    return ref.name(body.get("order_id")), ref.size(body.get("reduced_by")), ref.maybe(ref.whole, body, "ts_ms")


def _orders(page: Any) -> Any:
    rows = [order.to_engine() for order in page.orders]
    return [(o.order_id, o.client_order_id, o.ticker, o.side, o.price, o.initial, o.filled, o.remaining, o.status)
            for o in rows]  # fmt: skip


def _slow_orders(body: dict[str, Any]) -> Any:
    return [
        (
            ref.name(o.get("order_id")), ref.text(o.get("client_order_id", "")), ref.name(o.get("ticker")),
            ref.side(o.get("book_side")), ref.price(o.get("yes_price_dollars")), ref.size(o.get("initial_count_fp")),
            ref.size(o.get("fill_count_fp")), ref.size(o.get("remaining_count_fp")), ref.text(o.get("status")),
        )
        for o in map(ref.obj, ref.rows(body.get("orders")))
    ]  # fmt: skip


def _fills(page: Any) -> Any:
    rows = [fill.to_engine() for fill in page.fills]
    return [(x.trade_id, x.order_id, x.ticker, x.side, x.price, x.quantity, x.fee, x.is_taker) for x in rows]


def _slow_fills(body: dict[str, Any]) -> Any:
    return [
        (
            ref.name(x.get("trade_id")), ref.name(x.get("order_id")), ref.name(x.get("ticker")),
            ref.side(x.get("book_side")), ref.level_price(x.get("yes_price_dollars")), ref.size(x.get("count_fp")),
            ref.money(x.get("fee_cost")), ref.boolean(x.get("is_taker")),
        )
        for x in map(ref.obj, ref.rows(body.get("fills")))
    ]  # fmt: skip


def _positions(page: Any) -> Any:
    return [(row.ticker, row.quantity) for row in (one.to_engine() for one in page.market_positions)]


def _slow_positions(body: dict[str, Any]) -> Any:
    rows = map(ref.obj, ref.rows(body.get("market_positions")))
    return [(ref.name(row.get("ticker")), ref.count(row.get("position_fp"))) for row in rows]


Reading = tuple[Callable[[Any], Any], Callable[[dict[str, Any]], Any]]
READINGS: dict[str, Reading] = {
    "OrderReply": (_create, _created),
    "AmendReply": (_amend, _amended),
    "CancelReply": (_cancel, _canceled),
    "OrderPage": (_orders, _slow_orders),
    "FillPage": (_fills, _slow_fills),
    "PositionPage": (_positions, _slow_positions),
    "Balance": (lambda b: b.to_engine().cash, lambda body: ref.money(body.get("balance_dollars"))),
}


class ReplyTrial:
    """Plays one damaged reply after the other."""

    def __init__(self, rng: Random, tally: Tally) -> None:
        self._rng = rng
        self._corpus = corpus_bodies()
        self._mutator = Mutator(rng, [body for _, body in self._corpus])
        self.tally = tally

    def play(self) -> int:
        kind, body = self._rng.choice(self._corpus)
        data = self._mutator.damaged(body)
        self.tally.tried += 1
        self.tally.damaged += 1
        start = time.thread_time()
        try:
            self.one(kind, data)
        except Exception as error:  # noqa: BLE001  any exception is what this looks for
            self.tally.crashes += 1
            self.tally.find(f"{kind}: crash {type(error).__name__}: {error}", data)
        self.tally.note_time(time.thread_time() - start, data)
        return 1

    def one(self, kind: str, data: bytes) -> None:
        """Checks one reply, damaged or not."""
        self._error(self._rng.choice(STATUSES), data)
        if kind == "error":
            return
        try:
            reply: Any = bodies.parse(KINDS[kind], data)
            meaning = READINGS[kind][0](reply) if kind in READINGS else None
        except BadMessage as error:
            self.tally.refused += 1
            self.tally.errors[type(error).__name__] += 1
            return
        if kind == "BatchCreateReply":
            self._batch_create(reply, data)
        elif kind == "BatchCancelReply":
            self._batch_cancel(reply, data)
        elif kind in READINGS:
            self._same(kind, meaning, data)

    def _error(self, status: int, data: bytes) -> None:
        """A refusal is believed only from a readable body with a word the venue refuses with."""
        error = error_of(status, data, is_write=True)
        if not isinstance(error, VenueRejected):
            return
        try:
            body = ref.load(data)
        except ref.Refused:
            self._wrong(f"a refusal ({type(error).__name__}) in an unreadable body", data)
            return
        if not 400 <= status < 500 or not (isinstance(body.get("error", body), dict | str)):
            self._wrong(f"a refusal ({type(error).__name__}) with HTTP {status}", data)

    def _same(self, kind: str, meaning: Any, data: bytes) -> None:
        try:
            expected = READINGS[kind][1](ref.load(data))
        except ref.Refused as refused:
            self._wrong(f"{kind}: accepted what the reference refuses ({refused})", data)
            return
        if meaning != expected:
            self._wrong(f"{kind}: read {meaning}, the reference {expected}", data)

    def _batch_create(self, reply: Any, data: bytes) -> None:
        rows = self._rows(data)
        ids = [row.get("order_id") for row in rows]
        answers = self._answers(batch_replies.created, INTENTS, reply)
        for intent, answer, row in zip(INTENTS, answers, rows, strict=False):
            named = row.get("client_order_id")
            if isinstance(answer, OrderAck):
                is_ours = named == intent.client_order_id and row.get("order_id") == answer.order_id
                if not is_ours or ids.count(answer.order_id) > 1:
                    self._wrong("an acknowledgement of another order was believed", data)
            elif isinstance(answer, VenueRejected):
                self._refusal(row, named in (None, "", intent.client_order_id), data)

    def _batch_cancel(self, reply: Any, data: bytes) -> None:
        rows = self._rows(data)
        answers = self._answers(batch_replies.canceled, ORDERS, reply)
        for (order_id, _), answer, row in zip(ORDERS, answers, rows, strict=False):
            named = row.get("order_id")
            if isinstance(answer, CancelAck) and named != order_id:
                self._wrong("a cancel of another order was believed", data)
            elif isinstance(answer, VenueRejected):
                self._refusal(row, named in (None, "", order_id), data)

    def _refusal(self, row: dict[str, Any], is_ours: bool, data: bytes) -> None:
        if not is_ours or not isinstance(row.get("error"), dict):
            self._wrong("a refusal of another order was believed", data)

    @staticmethod
    def _answers(match: Callable[..., Any], sent: Any, reply: Any) -> Any:
        try:
            return match(sent, reply.orders)
        except GatewayError:
            return []

    @staticmethod
    def _rows(data: bytes) -> list[dict[str, Any]]:
        return [ref.obj(row) for row in ref.rows(ref.load(data).get("orders"))]

    def _wrong(self, what: str, data: bytes) -> None:
        self.tally.wrong += 1
        self.tally.find(what, data)
