"""Token buckets: refill, the reserve for cancels, and refusing rather than waiting for ever."""

from __future__ import annotations

import pytest

from apps.gateway.errors import BudgetExhausted, RequestRefused
from apps.gateway.kalshi.bodies import parse
from apps.gateway.kalshi.limits import API_PREFIX, BATCH, ONE_ORDER, ORDERS, apply_limits, basic_budget, cost_table
from apps.gateway.kalshi.portfolio_models import AccountLimits, EndpointCosts
from apps.gateway.throttle import Budget, TokenBucket
from tests.gateway.conftest import FakeClock
from tests.gateway.recorded import rest_bundles


def _budget(clock: FakeClock, *, reserve: float = 20.0, max_wait_s: float = 5.0) -> Budget:
    return Budget(
        TokenBucket(200, 200, clock),
        TokenBucket(100, 100, clock),
        reserve=reserve,
        max_wait_s=max_wait_s,
        sleep=clock.sleep,
    )


def test_bucket_refills_to_its_capacity_and_not_above(clock: FakeClock) -> None:
    bucket = TokenBucket(100, 50, clock)
    assert bucket.try_acquire(100)
    assert not bucket.try_acquire(1)
    clock.seconds += 1
    assert bucket.tokens == 50
    clock.seconds += 60
    assert bucket.tokens == 100


def test_a_clock_that_goes_back_takes_nothing_away(clock: FakeClock) -> None:
    bucket = TokenBucket(100, 50, clock)
    clock.seconds -= 10
    assert bucket.tokens == 100


@pytest.mark.parametrize(("capacity", "refill"), [(0, 1), (1, 0), (-1, 1), (float("nan"), 1)])
def test_an_impossible_bucket_is_refused(capacity: float, refill: float, clock: FakeClock) -> None:
    with pytest.raises(RequestRefused):
        TokenBucket(capacity, refill, clock)


async def test_trading_cannot_spend_the_reserve_but_a_cancel_can(clock: FakeClock) -> None:
    budget = _budget(clock)
    spent = 0
    while budget.try_acquire(10, write=True):
        spent += 10
    assert spent == 80
    assert budget.try_acquire(2, write=True, priority=True)
    await budget.acquire(18, write=True, priority=True)
    assert clock.pauses == []


async def test_acquire_waits_just_long_enough(clock: FakeClock) -> None:
    budget = _budget(clock, reserve=0)
    await budget.acquire(100, write=True)
    await budget.acquire(50, write=True)
    assert sum(clock.pauses) == pytest.approx(0.5, abs=0.01)


async def test_what_can_never_fit_is_refused_at_once(clock: FakeClock) -> None:
    with pytest.raises(BudgetExhausted):
        await _budget(clock).acquire(81, write=True)
    assert clock.pauses == []


async def test_a_wait_beyond_the_bound_is_refused(clock: FakeClock) -> None:
    budget = _budget(clock, reserve=0, max_wait_s=0.1)
    await budget.acquire(100, write=True)
    with pytest.raises(BudgetExhausted):
        await budget.acquire(100, write=True)


def test_reads_and_writes_have_their_own_buckets(clock: FakeClock) -> None:
    budget = _budget(clock, reserve=0)
    assert budget.try_acquire(100, write=True)
    assert budget.try_acquire(200, write=False)
    assert not budget.try_acquire(1, write=False)


def test_budget_takes_over_the_accounts_own_limits_and_costs(clock: FakeClock) -> None:
    files = rest_bundles()["demo_20260611"]
    limits = parse(AccountLimits, files["account__limits.json"])
    costs = parse(EndpointCosts, files["account__endpoint_costs.json"])
    budget = basic_budget(clock)
    apply_limits(budget, limits, costs, clock)
    assert (budget.read.capacity, budget.write.capacity) == (200, 100)
    assert budget.costs.cost("DELETE", API_PREFIX + ONE_ORDER) == 2
    assert budget.costs.cost("POST", API_PREFIX + ORDERS) == 10
    assert budget.costs.cost("POST", API_PREFIX + "/portfolio/orders") == 20


def test_endpoints_the_venue_leaves_out_keep_their_known_price() -> None:
    table = cost_table(EndpointCosts(default_cost=12, endpoint_costs=()))
    assert table.cost("DELETE", API_PREFIX + BATCH) == 2
    assert table.cost("GET", API_PREFIX + "/markets") == 12
