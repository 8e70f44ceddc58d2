"""Orders by hand: attested, judged by the same gate, sent at most once, and told how they ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User

from apps.core.exceptions import NotPermitted, Refused
from apps.engine.intent_ids import request_id
from apps.engine.types import Side, TimeInForce
from apps.gateway.errors import InvalidOrder, ReplyTimeout, ServerFailed
from apps.governance.models import AuditEvent
from apps.risk.models import RestrictedMarket
from apps.trading.execution.manual import ManualOrders
from apps.trading.models import Account, Order, OrderRequest
from apps.trading.services.manual_orders import (
    Wanted,
    order_request_cancel,
    order_request_place,
    requests_open,
)
from tests import factories
from tests.factories import NOW, user
from tests.fakes.venue import FakeVenue

from .harness import TICKER, Stage, arrange, query, running

pytestmark = pytest.mark.django_db(transaction=True)

RIGHT = ("trading.place_order",)
BIDS, ASKS = [(5600, 1000)], [(5700, 1000)]


@pytest.fixture(autouse=True)
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session looks at requests when the test says so."""
    monkeypatch.setattr("apps.trading.execution.session.REQUESTS_S", 3600.0)


def person(name: str = "scalper") -> User:
    return User.objects.filter(username=name).first() or user(name, perms=RIGHT)


def wanted(**changes: Any) -> Wanted:
    base = Wanted(factories.market(TICKER), "bid", Decimal("0.55"), Decimal(3))
    return replace(base, **changes)


def place(account: Account, **changes: Any) -> OrderRequest:
    fields: dict[str, Any] = {
        "reason": "to close the gap",
        "no_inside_information": True,
        "actor": person(),
        "now": NOW,
    }
    fields |= {name: changes.pop(name) for name in list(changes) if name in fields}
    return order_request_place(account=account, wanted=wanted(**changes), **fields)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"side": "yes"}, "side"),
        ({"price": Decimal("0.555")}, "price"),
        ({"price": Decimal("NaN")}, "price"),
        ({"price": Decimal("1.00")}, "price"),
        ({"quantity": Decimal(0)}, "quantity"),
        ({"quantity": Decimal(-1)}, "quantity"),
        ({"quantity": Decimal("0.001")}, "quantity"),
        ({"time_in_force": "day"}, "time_in_force"),
        ({"time_in_force": "fill_or_kill", "post_only": True}, "post_only"),
    ],
)
def test_what_is_no_order_is_refused_and_the_field_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        place(arrange(), **changes)
    assert refused.value.extra == {"field": field}
    assert not OrderRequest.objects.exists()


def test_without_attestation_reason_or_right_there_is_no_request() -> None:
    account = arrange()
    for changes, code in (({"no_inside_information": False}, "not_attested"), ({"reason": "  "}, "no_reason")):
        with pytest.raises(Refused) as refused:
            place(account, **changes)
        assert refused.value.code == code
    with pytest.raises(NotPermitted):
        place(account, actor=user("viewer"))
    assert not OrderRequest.objects.exists()


def test_a_request_is_audited_with_its_attestation() -> None:
    row = place(arrange())
    event = AuditEvent.objects.get(action="trading.manual_order.place", object_id=str(row.pk))
    assert event.actor_label == "scalper"
    assert (event.after or {})["no_inside_information"] is True


def test_a_request_that_was_not_taken_yet_is_canceled_at_once() -> None:
    account = arrange()
    row = place(account)
    order_request_cancel(request_id=row.pk, actor=person(), now=NOW)
    row.refresh_from_db()
    assert (row.state, row.outcome) == ("done", "canceled before it was sent")
    assert requests_open(account_id=account.pk) == []
    with pytest.raises(Refused) as refused:
        order_request_cancel(request_id=row.pk, actor=person(), now=NOW)
    assert refused.value.code == "has_ended"
    with pytest.raises(NotPermitted):
        order_request_cancel(request_id=row.pk, actor=user("viewer"), now=NOW)


@dataclass(slots=True)
class Scene:
    stage: Stage
    manual: ManualOrders
    account: Account

    async def poll(self) -> None:
        """One look, with everything it started and stored behind it."""
        await self.manual.poll()
        await self.stage.session.trader.requests.settle()
        await self.stage.session.context.journal.drain(5)

    async def ask(self, **changes: Any) -> OrderRequest:
        return await query(place)(self.account, **changes)


@asynccontextmanager
async def scene(venue: FakeVenue | None = None) -> AsyncIterator[Scene]:
    account = await query(arrange)()
    async with running(account, venue) as stage:
        await stage.until(lambda: stage.session.context.gate.closed_because() is None, "gate open")
        await stage.book(BIDS, ASKS)
        yield Scene(stage, stage.session.trader.manual, account)


async def test_the_session_sends_it_with_an_id_that_follows_from_the_request() -> None:
    async with scene() as made:
        row = await made.ask()
        await made.poll()
        [intent] = made.stage.venue.sent
        assert intent.client_order_id == request_id(made.account.order_key, "m", row.pk)
        assert (intent.side, intent.price, intent.quantity, intent.post_only) == (Side.BID, 5500, 300, False)
        assert intent.expires_at_s == made.stage.clock.now_ms() // 1000 + 55
        assert intent.order_group_id in made.stage.venue.group_rows
        await row.arefresh_from_db()
        assert row.state == "sent"
    order = await Order.objects.aget()
    assert (order.mode, order.config_id, order.decision_id) == ("manual", None, None)
    assert row.order_id == order.pk


async def test_a_request_seen_a_hundred_times_is_sent_once() -> None:
    async with scene() as made:
        row = await made.ask()
        [asked] = await query(requests_open)(account_id=made.account.pk)
        for _ in range(100):
            await made.manual.take(asked)
        await made.poll()
        await query(OrderRequest.objects.filter(pk=row.pk).update)(state="pending", order=None)
        for _ in range(100):
            await made.manual.take(asked)
        await made.poll()
        assert len(made.stage.venue.sent) == 1
        await row.arefresh_from_db()
        assert (row.state, row.order_id is not None) == ("sent", True)
        assert made.stage.session.context.desks[TICKER].not_before_ms == 0, "it was tried to store it twice"
    assert await Order.objects.acount() == 1


async def test_what_the_gate_denies_is_stored_with_its_reason_and_numbers() -> None:
    async with scene() as made:
        row = await made.ask(quantity=Decimal(5000))
        await made.poll()
        assert made.stage.venue.sent == []
        await row.arefresh_from_db()
        order = await Order.objects.aget()
        assert (row.state, order.status) == ("denied", "denied")
        assert row.outcome == order.outcome != ""
        event = await order.events.aget()
        assert event.detail["request"] == row.pk
        assert event.detail["limit"]


async def test_a_market_restricted_for_one_person_is_open_to_another() -> None:
    async with scene() as made:
        await query(_restrict)("scalper")
        barred = await made.ask()
        free = await made.ask(actor=await query(person)("cliff"))
        await made.poll()
        assert len(made.stage.venue.sent) == 1
        await barred.arefresh_from_db()
        await free.arefresh_from_db()
        assert (barred.state, free.state) == ("denied", "sent")
        assert "scalper: family works there" in barred.outcome


def _restrict(name: str) -> None:
    RestrictedMarket.objects.create(
        scope="market", scope_id=TICKER, user=person(name), reason="family works there", added_by=person("cliff"),
        added_at=NOW,
    )  # fmt: skip


async def test_a_right_that_was_taken_away_meanwhile_counts() -> None:
    async with scene() as made:
        row = await made.ask()
        await query(_take_right_away)()
        await made.poll()
        assert made.stage.venue.sent == []
        await row.arefresh_from_db()
        assert (row.state, row.outcome) == ("denied", "scalper may no longer place orders")


def _take_right_away() -> None:
    person().user_permissions.clear()


@pytest.mark.parametrize("age_s", [31, 3600])
async def test_a_request_that_waited_too_long_is_denied(age_s: int) -> None:
    async with scene() as made:
        row = await made.ask(now=NOW - timedelta(seconds=age_s))
        await made.poll()
        assert made.stage.venue.sent == []
        await row.arefresh_from_db()
        assert (row.state, row.outcome) == ("denied", "it waited longer than 30 s")


async def test_a_shut_gate_denies_it_and_says_why() -> None:
    async with scene() as made:
        made.stage.session.context.gate.block("test", "shut by a test")
        row = await made.ask()
        await made.poll()
        made.stage.session.context.gate.unblock("test")
        await row.arefresh_from_db()
        assert (row.state, row.outcome) == ("denied", "not sent: shut by a test")
        await made.poll()
        assert made.stage.venue.sent == []


async def test_a_market_nobody_looks_after_is_refused() -> None:
    async with scene() as made:
        other = await query(factories.market)("KXOTHER-26NOV20-T1")
        row = await made.ask(market=other)
        await made.poll()
        await row.arefresh_from_db()
        assert row.outcome == "no armed strategy of this account covers the market"


async def test_a_cancel_is_passed_on_and_its_end_is_told() -> None:
    async with scene() as made:
        row = await made.ask()
        await made.poll()
        await query(order_request_cancel)(request_id=row.pk, actor=await query(person)(), now=NOW)
        await made.poll()
        assert made.stage.venue.canceled == ["v-1"]
        await made.poll()
        await row.arefresh_from_db()
        assert (row.state, row.outcome) == ("done", "canceled: canceled by scalper")


async def test_a_refusal_of_the_exchange_reaches_the_person() -> None:
    async with scene() as made:
        made.stage.venue.answers = [InvalidOrder(status=400, code="invalid_order")]
        row = await made.ask()
        await made.poll()
        await made.poll()
        await row.arefresh_from_db()
        assert row.state == "done"
        assert row.outcome.startswith("rejected: HTTP 400: invalid_order")


async def test_an_unanswered_order_stays_open_and_is_not_sent_again() -> None:
    async with scene() as made:
        made.stage.venue.answers = [ReplyTimeout("timeout")]
        row = await made.ask()
        for _ in range(3):
            await made.poll()
        assert len(made.stage.venue.sent) == 1
        await row.arefresh_from_db()
        assert row.state == "sent"
        made.stage.venue.rest(made.stage.venue.sent[0], "v-1")
        await made.stage.session.trader.reconciler.resolve_undecided()


async def test_a_resting_one_is_kept_alive_and_an_immediate_one_has_no_expiry() -> None:
    async with scene() as made:
        await made.ask()
        await made.ask(time_in_force="immediate_or_cancel", price=Decimal("0.54"))
        await made.poll()
        resting, immediate = made.stage.venue.sent
        assert (immediate.time_in_force, immediate.expires_at_s) == (TimeInForce.IMMEDIATE_OR_CANCEL, None)
        made.stage.clock.ms += 29_000
        await made.poll()
        assert made.stage.venue.amended == []
        made.stage.clock.ms += 2_000
        await made.poll()
        [change] = made.stage.venue.amended
        assert (change.client_order_id, change.expires_at_s) == (
            resting.client_order_id, made.stage.clock.now_ms() // 1000 + 55,
        )  # fmt: skip


@pytest.mark.parametrize("is_stored", [True, False])
async def test_a_request_taken_by_a_session_that_died_is_settled_by_the_next(is_stored: bool) -> None:
    async with scene() as made:
        row = await made.ask()
        await query(_take_and_die)(made.account, row, is_stored=is_stored)
        await made.poll()
        assert made.stage.venue.sent == []
        await row.arefresh_from_db()
        if is_stored:
            assert (row.state, row.outcome) == ("done", "canceled: its session ended")
        else:
            assert (row.state, row.outcome) == ("denied", "the session ended before it was sent")


def _take_and_die(account: Account, row: OrderRequest, *, is_stored: bool) -> None:
    row.state = "taken"
    row.save()
    if is_stored:
        dead = factories.session(account, state="failed", fencing_token=999)
        factories.order(
            dead, config=factories.config(account), status="canceled", outcome="its session ended",
            client_order_id=request_id(account.order_key, "m", row.pk),
        )  # fmt: skip


async def test_without_an_order_group_it_is_denied() -> None:
    venue = FakeVenue()
    venue.group_answers = [ServerFailed("HTTP 503")] * 1_000
    async with scene(venue) as made:
        row = await made.ask()
        await made.poll()
        await row.arefresh_from_db()
        assert (row.state, row.outcome) == ("denied", "the market has no order group yet")
    assert venue.sent == []
