"""Token buckets: refill, the reserve for what stops trading, the pause after a 429, refusing rather than waiting."""

from __future__ import annotations

from random import Random

import pytest

from apps.gateway.errors import BudgetExhausted, RequestRefused
from apps.gateway.kalshi.bodies import parse
from apps.gateway.kalshi.limits import API_PREFIX, BATCH, ONE_ORDER, ORDERS, apply_limits, basic_budget, cost_table
from apps.gateway.kalshi.portfolio_models import AccountLimits, EndpointCosts
from apps.gateway.throttle import Budget, Limit, TokenBucket, bucket_name, reserve_of
from tests.gateway.conftest import FakeClock
from tests.gateway.recorded import rest_bundles


def _budget(clock: FakeClock, *, write: int = 100, max_wait_s: float = 5.0, is_priority: bool = False) -> Budget:
    return Budget(
        Limit(200, 200), Limit(write, write), clock, max_wait_s=max_wait_s, is_priority=is_priority, rng=Random(1),
        sleep=clock.sleep,
    )  # fmt: skip


def test_bucket_refills_to_its_capacity_and_not_above(clock: FakeClock) -> None:
    bucket = TokenBucket(100, 50, clock)
    assert bucket.take(100, priority=True) == 0
    assert bucket.take(1, priority=True) == 0.02
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


@pytest.mark.parametrize(("capacity", "refill"), [(0, 1), (1, 0), (-5, 5)])
def test_limits_of_nothing_are_refused(capacity: int, refill: int) -> None:
    with pytest.raises(RequestRefused):
        Limit(capacity, refill)


@pytest.mark.parametrize(("capacity", "reserve"), [(100, 50), (200, 100), (600, 100), (9600, 100)])
def test_the_reserve_is_ten_triggers_or_half_of_a_small_bucket(capacity: int, reserve: int) -> None:
    assert reserve_of(capacity) == reserve


async def test_trading_cannot_spend_the_reserve_but_a_stop_can(clock: FakeClock) -> None:
    budget = _budget(clock)
    for _ in range(5):
        await budget.acquire(10, write=True)
    assert clock.pauses == []
    assert budget.bucket("write").take(2) > 0
    for _ in range(5):
        await budget.acquire(10, write=True, priority=True)
    assert clock.pauses == []
    assert budget.bucket("write").tokens == 0


async def test_the_process_that_stops_trading_has_the_reserve_for_every_call(clock: FakeClock) -> None:
    budget = _budget(clock, is_priority=True)
    for _ in range(10):
        await budget.acquire(10, write=True)
    await budget.acquire(200, write=False)
    assert clock.pauses == []


async def test_acquire_waits_just_long_enough(clock: FakeClock) -> None:
    budget = _budget(clock)
    await budget.acquire(50, write=True)
    await budget.acquire(50, write=True)
    assert sum(clock.pauses) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(("cost", "priority"), [(51, False), (101, True)])
async def test_a_batch_larger_than_the_bucket_is_refused_clearly(cost: int, priority: bool, clock: FakeClock) -> None:
    with pytest.raises(RequestRefused, match="too large"):
        await _budget(clock).acquire(cost, write=True, priority=priority)
    assert clock.pauses == []


@pytest.mark.parametrize(("cost", "priority", "size"), [(10, False, 5), (2, True, 50), (1000, True, 1)])
def test_the_largest_batch_follows_from_the_bucket(cost: int, priority: bool, size: int, clock: FakeClock) -> None:
    assert _budget(clock).affordable(cost, priority=priority) == size


async def test_a_wait_beyond_the_bound_is_refused(clock: FakeClock) -> None:
    budget = _budget(clock, max_wait_s=0.1)
    await budget.acquire(50, write=True)
    with pytest.raises(BudgetExhausted):
        await budget.acquire(50, write=True)


async def test_after_a_429_trading_pauses_longer_each_time_and_a_stop_only_for_its_tokens(clock: FakeClock) -> None:
    budget = _budget(clock)
    for base in (0.1, 0.2, 0.4, 0.8, 1.0, 1.0):
        await budget.drain(write=True)
        bucket = budget.bucket("write")
        assert bucket.take(2, priority=True) == pytest.approx(0.02)
        clock.seconds += 0.6  # the tokens are back, the pause may not be over
        wait_s = bucket.take(10)
        assert base - 0.6 - 1e-9 <= wait_s <= max(0.0, base * 1.5 - 0.6) + 1e-9
        clock.seconds += 1
    clock.seconds += 5
    await budget.drain(write=True)
    clock.seconds += 0.61
    assert budget.bucket("write").take(10) == 0


async def test_a_429_on_a_read_leaves_the_writes_alone(clock: FakeClock) -> None:
    budget = _budget(clock)
    await budget.drain(write=False)
    await budget.acquire(50, write=True)
    assert clock.pauses == []


async def test_reads_writes_and_each_shard_have_their_own_buckets(clock: FakeClock) -> None:
    budget = _budget(clock)
    await budget.acquire(50, write=True)
    await budget.acquire(50, write=True, shard=1)
    await budget.acquire(50, write=True, shard=2)
    await budget.acquire(100, write=False)
    assert clock.pauses == []
    assert [bucket_name(write=True, shard=s) for s in (0, 1, 2)] == ["write", "write:1", "write:2"]
    await budget.acquire(10, write=True, shard=2)
    assert clock.pauses != []


async def test_budget_takes_over_the_accounts_own_limits_and_costs(clock: FakeClock) -> None:
    files = rest_bundles()["demo_20260611"]
    limits = parse(AccountLimits, files["account__limits.json"])
    costs = parse(EndpointCosts, files["account__endpoint_costs.json"])
    budget = basic_budget(clock)
    await apply_limits(budget, limits, costs)
    assert (budget.capacity(write=False), budget.capacity(write=True)) == (200, 100)
    assert budget.costs.cost("DELETE", API_PREFIX + ONE_ORDER) == 2
    assert budget.costs.cost("POST", API_PREFIX + ORDERS) == 10
    assert budget.costs.cost("POST", API_PREFIX + "/portfolio/orders") == 20


def test_endpoints_the_venue_leaves_out_keep_their_known_price() -> None:
    table = cost_table(EndpointCosts(default_cost=12, endpoint_costs=()))
    assert table.cost("DELETE", API_PREFIX + BATCH) == 2
    assert table.cost("GET", API_PREFIX + "/markets") == 12


def test_what_trading_could_never_pay_waits_for_ever(clock: FakeClock) -> None:
    bucket = TokenBucket(100, 10, clock)
    assert bucket.take(51) == float("inf")
    assert bucket.take(50) == 0
    assert bucket.take(51, priority=True) == pytest.approx(0.1)
