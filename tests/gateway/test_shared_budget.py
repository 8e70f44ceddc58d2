"""One token account for all processes, on a real Redis: nobody spends what another has spent, or what a stop needs."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest
import redis
import redis.asyncio

from apps.gateway.clock import SystemClock
from apps.gateway.errors import BudgetExhausted, RequestRefused
from apps.gateway.shared_budget import AWAY_S, SharedBudget, open_redis
from apps.gateway.throttle import Limit
from deploy.launcher.network import LOOPBACK, free_port
from tests.gateway.conftest import FakeClock
from tests.gateway.hammer import hammer, together

READS, WRITES = Limit(200, 200), Limit(100, 100)
NAME = "simulated"
KEY = f"kalshiops:tokens:{NAME}:write"


class Pauses:
    """A sleep that only notes how long it should have been, and then gives up waiting."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        raise BudgetExhausted("the test does not wait")


def patient(url: str) -> redis.asyncio.Redis:
    """A client that does not lose Redis because the machine is busy."""
    return redis.asyncio.Redis.from_url(url, socket_timeout=10)


def budget_of(url: str, **options: Any) -> SharedBudget:
    settings: dict[str, Any] = {
        "read": READS,
        "write": WRITES,
        "clock": FakeClock(),
        "rng": Random(3),
        "sleep": Pauses(),
    }
    return SharedBudget(options.pop("client", None) or open_redis(url), NAME, **{**settings, **options})


@pytest.fixture
async def make(redis_url: str) -> AsyncIterator[Callable[..., SharedBudget]]:
    made: list[SharedBudget] = []

    def one(**options: Any) -> SharedBudget:
        made.append(budget_of(redis_url, **{"client": patient(redis_url), **options}))
        return made[-1]

    yield one
    for budget in made:
        await budget.aclose()


Make = Callable[..., SharedBudget]


@pytest.fixture
def store(redis_url: str) -> redis.Redis:
    return redis.Redis.from_url(redis_url, decode_responses=True)


def fill(store: redis.Redis, tokens: int, name: str = "write") -> None:
    """As if the account had been left alone for long."""
    seconds, micros = store.time()
    store.hset(f"kalshiops:tokens:{NAME}:{name}", mapping={"tokens": tokens * 10**6, "at": seconds * 10**6 + micros})


async def spend_all(budget: SharedBudget) -> None:
    while True:
        await budget.acquire(1, write=True)


async def test_what_one_process_spends_is_gone_for_the_other(make: Make, store: redis.Redis) -> None:
    first, second = make(), make()
    fill(store, 100)
    for _ in range(5):
        await first.acquire(10, write=True)
    with pytest.raises(BudgetExhausted):
        await second.acquire(50, write=True)
    assert first.is_shared
    assert second.is_shared


async def test_an_account_nobody_has_used_has_its_reserve_and_nothing_for_trading(make: Make) -> None:
    budget = make()
    with pytest.raises(BudgetExhausted):
        await budget.acquire(10, write=True)
    for _ in range(5):
        await budget.acquire(10, write=True, priority=True)


async def test_trading_never_spends_the_reserve_and_a_stop_may(make: Make, store: redis.Redis) -> None:
    trading, kill = make(), make(is_priority=True)
    fill(store, 100)
    with pytest.raises(BudgetExhausted):
        await spend_all(trading)
    assert int(store.hget(KEY, "tokens") or 0) >= 50 * 10**6
    await kill.acquire(50, write=True)
    await kill.acquire(10, write=False)


async def test_the_wait_is_what_the_refill_takes(make: Make, store: redis.Redis) -> None:
    pauses = Pauses()
    budget = make(sleep=pauses)
    fill(store, 50)
    with pytest.raises(BudgetExhausted):
        await budget.acquire(40, write=True)
    assert pauses.seconds[0] == pytest.approx(0.4, abs=0.1)


async def test_the_limits_one_process_has_read_count_for_all(make: Make, store: redis.Redis) -> None:
    first, second = make(), make()
    await first.set_limits(Limit(600, 300), Limit(600, 300))
    fill(store, 600)
    for _ in range(10):
        await second.acquire(50, write=True)
    with pytest.raises(BudgetExhausted):
        await second.acquire(50, write=True)
    assert store.hget(KEY, "capacity") == "600"


async def test_a_process_that_thinks_the_bucket_larger_is_refused(make: Make) -> None:
    await make().set_limits(READS, WRITES)
    with pytest.raises(RequestRefused):
        await make(write=Limit(6000, 3000)).acquire(300, write=True)


async def test_each_shard_and_the_reads_have_their_own_account(make: Make, store: redis.Redis) -> None:
    budget = make()
    for name in ("write", "write:2", "read"):
        fill(store, 100, name)
    await budget.acquire(50, write=True)
    await budget.acquire(50, write=True, shard=2)
    await budget.acquire(0, write=False)
    with pytest.raises(BudgetExhausted):
        await budget.acquire(50, write=True, shard=2)


async def test_a_429_in_one_process_empties_the_bucket_of_all_and_the_pauses_grow(
    make: Make, store: redis.Redis
) -> None:
    first, second = make(), make()
    held: list[float] = []
    for _ in range(5):
        fill(store, 100)
        await first.drain(write=True)
        assert store.hget(KEY, "tokens") == "0"
        fields = store.hmget(KEY, "hold", "at")
        held.append((int(fields[0] or 0) - int(fields[1] or 0)) / 1e6)
    for pause, base in zip(held, (0.1, 0.2, 0.4, 0.8, 1.0), strict=True):
        assert base <= pause <= base * 1.5
    fill(store, 100)
    with pytest.raises(BudgetExhausted):
        await second.acquire(1, write=True)
    await second.acquire(10, write=True, priority=True)


class Gate:
    """A client that a test can cut off."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self.client = client
        self.is_down = False
        self.asked = 0

    async def evalsha(self, *args: Any) -> Any:
        return await self._pass(self.client.evalsha, *args)

    async def eval(self, *args: Any) -> Any:
        return await self._pass(self.client.eval, *args)

    async def _pass(self, call: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        self.asked += 1
        await asyncio.sleep(0)
        if self.is_down:
            raise redis.exceptions.ConnectionError("cut off")
        return await call(*args)

    async def aclose(self) -> None:
        await self.client.aclose()


async def test_without_redis_each_goes_on_alone_with_a_share_and_returns(make: Make, redis_url: str) -> None:
    clock = FakeClock()
    gate = Gate(patient(redis_url))
    gate.is_down = True
    budget = make(client=gate, clock=clock)
    await budget.acquire(10, write=True)
    await budget.acquire(10, write=True)
    with pytest.raises(BudgetExhausted):
        await budget.acquire(10, write=True)  # half of 100, of which half is the reserve
    await budget.acquire(2, write=True, priority=True)
    assert (budget.is_shared, budget.fallbacks, gate.asked) == (False, 1, 1)
    assert budget.affordable(10) == 2
    gate.is_down = False
    clock.seconds += AWAY_S
    await budget.acquire(2, write=True, priority=True)
    assert (budget.is_shared, budget.fallbacks) == (True, 1)
    assert budget.affordable(10) == 5


async def test_while_redis_is_away_only_one_request_asks_whether_it_is_back(make: Make, redis_url: str) -> None:
    clock = FakeClock()
    gate = Gate(patient(redis_url))
    gate.is_down = True
    budget = make(client=gate, clock=clock)
    await budget.acquire(2, write=True, priority=True)
    clock.seconds += AWAY_S
    await asyncio.gather(*(budget.acquire(2, write=True, priority=True) for _ in range(5)))
    assert gate.asked == 2


async def test_a_stop_is_paid_in_full_while_redis_is_away(make: Make, redis_url: str) -> None:
    gate = Gate(patient(redis_url))
    gate.is_down = True
    cancels, kill = make(client=gate), make(client=gate, is_priority=True)
    await cancels.acquire(100, write=True, priority=True)
    for _ in range(10):
        await kill.acquire(10, write=True)


async def test_what_was_left_counts_when_redis_goes_away(make: Make, redis_url: str, store: redis.Redis) -> None:
    gate = Gate(patient(redis_url))
    budget = make(client=gate)
    fill(store, 50)
    await budget.acquire(50, write=True, priority=True)
    gate.is_down = True
    with pytest.raises(BudgetExhausted):
        await budget.acquire(10, write=True)


async def test_what_was_spent_alone_is_paid_when_redis_is_back(make: Make, redis_url: str, store: redis.Redis) -> None:
    clock = FakeClock()
    gate = Gate(patient(redis_url))
    budget, other = make(client=gate, clock=clock), make()
    fill(store, 100)
    await budget.acquire(0, write=True)
    gate.is_down = True
    for _ in range(2):
        await budget.acquire(10, write=True)
    gate.is_down = False
    clock.seconds += AWAY_S
    fill(store, 100)
    await budget.acquire(0, write=True)
    assert budget.is_shared
    await other.acquire(30, write=True)
    with pytest.raises(BudgetExhausted):
        await other.acquire(10, write=True)


async def spent_until_refused(budget: SharedBudget) -> int:
    taken = 0
    try:
        while True:
            await budget.acquire(5, write=True)
            taken += 5
    except BudgetExhausted:
        return taken


async def test_an_account_that_is_lost_again_and_again_grants_no_more_than_it_has(
    make: Make, redis_url: str, store: redis.Redis
) -> None:
    clock = FakeClock()
    gate = Gate(patient(redis_url))
    budget = make(client=gate, clock=clock, write=Limit(100, 1))
    await budget.set_limits(READS, Limit(100, 1))
    fill(store, 100)
    await budget.acquire(0, write=True)
    taken = 0
    for _ in range(20):
        gate.is_down = True
        taken += await spent_until_refused(budget)
        gate.is_down = False
        clock.seconds += AWAY_S
        await budget.acquire(0, write=True, priority=True)
    # Half is the reserve; two seconds of refill a turn, of which a process alone has half, were not in Redis yet.
    assert taken <= 50 + 20 * 2


async def test_many_takes_at_once_do_not_look_like_an_absent_redis(redis_url: str, store: redis.Redis) -> None:
    client = redis.asyncio.Redis.from_url(redis_url, socket_timeout=10, max_connections=10)
    budget = budget_of(redis_url, client=client, read=Limit(2000, 2000), write=Limit(2000, 2000))
    await budget.set_limits(Limit(2000, 2000), Limit(2000, 2000))
    fill(store, 2000)
    await asyncio.gather(*(budget.acquire(1, write=True) for _ in range(300)))
    assert (budget.is_shared, budget.fallbacks) == (True, 0)
    await budget.aclose()


@asynccontextmanager
async def silent_server() -> AsyncIterator[tuple[str, list[int]]]:
    """Takes connections and never says a word."""
    connections: list[int] = []
    writers: list[asyncio.StreamWriter] = []

    def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        writers.append(writer)

    server = await asyncio.start_server(connected, LOOPBACK, 0)
    try:
        yield f"redis://{LOOPBACK}:{server.sockets[0].getsockname()[1]}/0", connections
    finally:
        for writer in writers:
            writer.close()
        server.close()


async def test_a_redis_that_hangs_holds_up_one_request_only() -> None:
    async with silent_server() as (url, connections):
        budget = budget_of(url)
        async with asyncio.timeout(5):
            for _ in range(10):
                await budget.acquire(2, write=True, priority=True)
        assert len(connections) == 1
        assert not budget.is_shared
        await budget.aclose()


async def test_no_redis_at_all_is_no_error() -> None:
    budget = budget_of(f"redis://{LOOPBACK}:{free_port()}/0")
    await budget.set_limits(Limit(600, 300), Limit(600, 300))
    await budget.acquire(100, write=True)
    await budget.drain(write=True)
    with pytest.raises(BudgetExhausted):
        await budget.acquire(10, write=True)
    await budget.aclose()


async def test_processes_together_take_no_more_than_the_account_grants(redis_url: str, store: redis.Redis) -> None:
    budget = SharedBudget(patient(redis_url), NAME, READS, WRITES, SystemClock())
    await budget.set_limits(Limit(400, 400), Limit(400, 400))
    await budget.aclose()
    fill(store, 400)
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        hauls = pool.starmap(hammer, [(redis_url, NAME, 0.5)] * 3)
    haul = together(hauls)
    assert all(one.taken > 0 for one in hauls)
    assert haul.taken <= 300 + 400 * (haul.end - haul.start)
    assert haul.lowest >= 100
