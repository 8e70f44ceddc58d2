"""What a session brings back from an earlier one: cash to the last digit, and whatever happened in between."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from apps.engine.ports import VenuePosition
from apps.engine.types import Fill, Side
from apps.trading.execution.reconcile import _store
from apps.trading.models import CashEntry, Order, Reconciliation
from apps.trading.models import Fill as FillRow
from apps.trading.services.ledger import ledger_cash
from tests import factories
from tests.fakes.venue import FakeVenue

from .harness import TICKER, arrange, query, running

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_ledger_adds_up_exactly_on_every_database() -> None:
    account = factories.account()
    amounts = [Decimal("10000"), *(Decimal("-0.700001") for _ in range(300)), *(Decimal("0.1") for _ in range(300))]
    for i, amount in enumerate(amounts):
        factories.cash_entry(account, kind="trade", reference=f"t-{i}", amount=amount, balance=Decimal(0))
    assert ledger_cash(account_id=account.pk) == sum(int(a * 1_000_000) for a in amounts)


async def test_a_fill_that_came_while_nothing_ran_is_found_however_long_ago() -> None:
    account = await query(arrange)()
    old = await query(factories.session)(
        account, fencing_token=999, state="failed", heartbeat_at=factories.NOW - timedelta(hours=5)
    )
    left = await query(factories.order)(old, client_order_id="left", venue_order_id="v-left", price=Decimal("0.40"))
    await query(factories.cash_entry)(account, amount=Decimal(10_000))
    filled_ms = int((factories.NOW - timedelta(hours=4)).timestamp() * 1000)
    asked: list[int | None] = []

    class Remembering(FakeVenue):
        async def fills(self, *, min_ts_s: int | None = None) -> list[Fill]:
            asked.append(min_ts_s)
            return [f for f in self.fill_rows if min_ts_s is None or f.ts_ms >= min_ts_s * 1000]

    venue = Remembering(cash=10_000_000_000 - 4000 * 1000)
    venue.fill_rows.append(Fill("t-left", "v-left", TICKER, Side.BID, 4000, 1000, 0, False, filled_ms))
    venue.position_rows.append(VenuePosition(TICKER, 1000, None, None, None))
    async with running(account, venue) as stage:
        assert stage.session.context.portfolio.cash == venue.cash
        assert "reconcile" not in stage.session.context.gate.blocks
    row = await FillRow.objects.aget()
    assert (row.trade_id, row.order_id) == ("t-left", left.pk)
    assert (await Order.objects.aget(pk=left.pk)).status == "filled"
    assert await CashEntry.objects.filter(kind="trade").acount() == 1
    assert asked[0] is not None
    assert asked[0] * 1000 < filled_ms


async def test_a_clean_comparison_moves_the_point_from_which_fills_are_read() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        before = stage.session.context.unseen_since_s
        stage.clock.advance(3)
        stage.clock.ms += 3_600_000
        assert await stage.session.trader.reconciler.reconcile("interval")
        assert stage.session.context.unseen_since_s == stage.clock.now_ms() // 1000 - 120 > before


def test_a_comparison_is_stored_again_when_the_answer_of_its_commit_was_lost() -> None:
    row = Reconciliation(
        account=factories.account(), at=factories.NOW, trigger="test", own_cash=0, venue_cash=0, cash_drift=0,
        orders_open=0, orders_unknown=0, is_clean=True,
    )  # fmt: skip
    for _ in range(2):
        _store(row)
    assert Reconciliation.objects.exists()
