"""The same wish delivered again and again: one session, one order, one stop, one change (G17)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connections
from django.test import Client
from django.urls import reverse

from apps.core.leases import LeaseLost
from apps.core.models import Lease
from apps.engine.orders import OrderStatus
from apps.engine.types import OrderIntent, Side
from apps.governance.choices import ApprovalStatus
from apps.governance.exceptions import ApprovalClosed, OpenRequestExists
from apps.governance.models import ApprovalRequest
from apps.risk.models import KillRun, TradingState
from apps.trading import tasks
from apps.trading.choices import SessionState
from apps.trading.execution import launch
from apps.trading.models import Account, Order, ParameterSet, TradingSession
from apps.trading.services.orders import DecisionRecord, IntentRecord, orders_commit
from apps.trading.services.parameters import parameters_propose
from apps.trading.services.sessions import session_open
from tests import factories
from tests.factories import NOW
from tests.fakes.socket import FakeSocket
from tests.fakes.venue import FakeVenue
from tests.governance.approvals.acts import sign
from tests.people import client_of, team  # noqa: F401  fixtures
from tests.simulation.venue import make_venue
from tests.trading.harness import TICKER, arrange, query, running

pytestmark = pytest.mark.django_db(transaction=True)
DELIVERIES, WORKERS = 100, 8
WHY = "a reason that is long enough"
BOOK = [(5600, 1000)], [(6000, 1500)]


class NoRest:
    """The client that goes with a scripted venue."""

    async def load_budget(self) -> None: ...
    async def aclose(self) -> None: ...
    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the session asked the client for {name}, which no test has foreseen")


@pytest.fixture
def venues(monkeypatch: pytest.MonkeyPatch) -> list[FakeVenue]:
    """Every venue that a session opened; production's own start, with nothing behind it."""
    opened: list[FakeVenue] = []

    def venue_open(account: Account, clock: Any, **_: Any) -> tuple[FakeVenue, NoRest]:
        opened.append(FakeVenue())
        return opened[-1], NoRest()

    monkeypatch.setattr(launch, "venue_open", venue_open)
    monkeypatch.setattr(launch, "kalshi_socket", lambda **_: FakeSocket())
    monkeypatch.setattr(launch, "tune_process", lambda: None)
    return opened


def test_a_task_delivered_a_hundred_times_starts_one_session(
    venues: list[FakeVenue], monkeypatch: pytest.MonkeyPatch
) -> None:
    account = arrange()
    stopping = threading.Event()
    monkeypatch.setattr(tasks, "stopping", stopping)

    def deliver(_: int = 0) -> None:
        try:
            tasks.run_trading_session(account_id=account.pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(WORKERS) as pool:
        running_first = pool.submit(deliver)
        while not TradingSession.objects.exists():
            assert not running_first.done() or running_first.result()
        others = list(pool.map(deliver, range(DELIVERIES - 1)))
        assert not running_first.done()
        sessions = TradingSession.objects.count()
        stopping.set()
        running_first.result()
    assert (len(others), sessions, len(venues)) == (DELIVERIES - 1, 1, DELIVERIES)
    assert TradingSession.objects.count() == 1


async def test_of_two_runners_only_the_one_with_the_lease_sends() -> None:
    account = await query(arrange)()
    async with running(account) as first:
        await query(take_over)(account)
        await first.book(*BOOK)
        await first.until(lambda: first.session.context.state is SessionState.FAILED, "the end of the first")
        assert first.venue.sent == []
    assert not await Order.objects.aexists()
    states = [session.state async for session in TradingSession.objects.order_by("id")]
    assert states == [SessionState.FAILED, SessionState.STARTING]


def take_over(account: Account) -> TradingSession:
    """A second runner gets the lease, as it would once the first has not renewed it for five seconds."""
    Lease.objects.update(expires_at=NOW - timedelta(seconds=1))
    session = session_open(account=account, holder="other:2", now=NOW)
    assert session is not None
    return session


def intent_of(session: TradingSession) -> IntentRecord:
    config = factories.config(session.account)
    decision = DecisionRecord(
        config_id=config.pk, parameters_id=factories.parameters(config).pk, market_id=factories.market(TICKER).pk,
        at=NOW, trigger="frame", best_bid=5600, best_ask=6000, best_bid_size=1000, best_ask_size=1000, position=0,
        reason="joined_inside", bid_reason="joined_inside", ask_reason="joined_inside", bid=(5700, 1000), ask=None,
    )  # fmt: skip
    return IntentRecord(OrderIntent("once", TICKER, Side.BID, 5700, 1000), decision, "joined_inside")


def test_an_intent_delivered_a_hundred_times_is_stored_once() -> None:
    account = arrange()
    session = take_over(account)
    record = intent_of(session)
    orders_commit(session=session, records=[record], now=NOW)
    for _ in range(DELIVERIES - 1):
        with pytest.raises(IntegrityError):
            orders_commit(session=session, records=[record], now=NOW)
    assert [o.status for o in Order.objects.all()] == [OrderStatus.SUBMITTED]


def test_an_intent_of_a_runner_that_lost_its_lease_is_not_stored() -> None:
    account = arrange()
    first = take_over(account)
    take_over(account)
    with pytest.raises(LeaseLost):
        orders_commit(session=first, records=[intent_of(first)], now=NOW)
    assert not Order.objects.exists()


def test_the_exchange_takes_a_client_order_id_once() -> None:
    """The last barrier, should everything of ours fail."""
    client = make_venue().clients["craig"]
    answers = [client.create(client_order_id="once")[0] for _ in range(DELIVERIES)]
    assert answers == [201] + [409] * (DELIVERIES - 1)
    assert len(client.get("/portfolio/orders")["orders"]) == 1


def test_the_kill_button_pressed_twice_is_one_stop(client_of: Callable[[str], Client]) -> None:  # noqa: F811
    arrange()
    browser = client_of("viewer")
    for _ in range(2):
        answer = browser.post(reverse("console:kill"), {"target": "account:main", "reason": "double click"})
        assert answer.status_code == 302
    assert [(s.scope, s.scope_id, s.state) for s in TradingState.objects.all()] == [("account", "main", "halted")]
    assert KillRun.objects.count() == 2


def test_a_proposal_sent_twice_is_one_request(
    team: dict[str, User],  # noqa: F811
) -> None:
    arrange()
    config = factories.config()
    parameters_propose(config=config, values={"min_spread": "0.01"}, reason=WHY, actor=team["scalper"], now=NOW)
    for _ in range(2):
        with pytest.raises(OpenRequestExists):
            parameters_propose(config=config, values={"min_spread": "0.01"}, reason=WHY, actor=team["scalper"], now=NOW)
    assert ApprovalRequest.objects.count() == 1


def test_an_approval_sent_twice_is_applied_once(team: dict[str, User]) -> None:  # noqa: F811
    arrange()
    config = factories.config()
    request = parameters_propose(
        config=config, values={"min_spread": "0.01"}, reason=WHY, actor=team["scalper"], now=NOW
    )
    sign(request, team["craig"])
    for name in ("cliff", "craig"):
        with pytest.raises(ApprovalClosed):
            sign(request, team[name])
    request.refresh_from_db()
    assert request.status == ApprovalStatus.APPLIED
    assert list(ParameterSet.objects.order_by("number").values_list("number", "status")) == [
        (1, "retired"), (2, "approved"),
    ]  # fmt: skip
