"""Checks of `verify_liquidity` that ask the configured exchange. They read; nothing is placed or changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import redis
from django.conf import settings

from apps.analytics.verification import Check
from apps.engine.types import BookSnapshot
from apps.gateway.clock import Clock
from apps.gateway.errors import GatewayError
from apps.gateway.kalshi.limits import API_PREFIX, BATCH, apply_limits, basic_budget
from apps.gateway.kalshi.portfolio_models import AccountLimits, EndpointCosts
from apps.gateway.kalshi.rest import KalshiRest
from apps.marketdata.connection import kalshi_rest
from apps.marketdata.exceptions import KeyNotConfigured
from apps.marketdata.models import BookSnapshot as StoredBook
from apps.marketdata.models import Feed, Market

RowT = TypeVar("RowT")
TOKENS_KEY = "kalshiops:tokens:{environment}:{bucket}"
"""Where all processes of an installation count what they spend (`apps.gateway.shared_budget`)."""
SLOW_S, SAMPLE_AGE = 2.0, timedelta(minutes=10)


@dataclass(slots=True)
class Seen:
    """What the exchange answered; None where it did not."""

    problem: str = ""
    is_open: bool | None = None
    books: list[tuple[BookSnapshot, float]] | None = None
    limits: AccountLimits | None = None
    costs: EndpointCosts | None = None
    groups: int | None = None


async def exchange_ask(tickers: list[str], *, clock: Clock) -> Seen:
    """Status, a few order books with how long each took, limits, costs and order groups, over the platform's client."""
    seen = Seen()
    try:
        rest = kalshi_rest(clock=clock)
    except KeyNotConfigured as error:
        seen.problem = str(error)
        return seen
    try:
        await _ask(rest, tickers, seen, clock)
    except GatewayError as error:
        seen.problem = f"{type(error).__name__}: {error}"
    finally:
        await rest.aclose()
    return seen


async def _ask(rest: KalshiRest, tickers: list[str], seen: Seen, clock: Clock) -> None:
    seen.is_open = (await rest.exchange_status()).trading_active
    seen.limits = await rest.account_limits()
    seen.costs = await rest.endpoint_costs()
    seen.groups = len(await rest.order_groups())
    if not tickers:
        markets = rest.markets(status="open", mve_filter="exclude")
        tickers = [market.ticker async for market in _first(markets, 3)]
    seen.books = []
    for ticker in tickers:
        begun = clock.monotonic()
        book = await rest.orderbook(ticker)
        seen.books.append((book, clock.monotonic() - begun))


def sample_tickers(*, now: datetime) -> list[str]:
    """Three markets whose books were stored lately: those the strategies look at."""
    rows = StoredBook.objects.filter(received_at__gt=now - SAMPLE_AGE).order_by("-id").values_list("market_id")[:300]
    newest = list(dict.fromkeys(row[0] for row in rows))[:3]
    open_now = Market.objects.filter(pk__in=newest, close_at__gt=now)
    return list(open_now.values_list("ticker", flat=True))


def check_books(seen: Seen, *, now: datetime) -> Check:
    """3: order books by request, and the feed that keeps them."""
    check = Check(3, facts={"url": settings.KALSHI_API_URL})
    if seen.books is None:
        check.error(f"the exchange did not answer: {seen.problem}")
        return check
    if not seen.books:
        check.not_checked("the exchange has no open market to look at")
    for book, seconds in seen.books:
        levels = f"{len(book.bids)} bids, {len(book.asks)} asks"
        check.facts[book.ticker] = f"{levels}, {seconds * 1000:.0f} ms"
        if seconds > SLOW_S:
            check.warn(f"{book.ticker} took {seconds:.1f} s")
    if any(book.bids and book.asks for book, _ in seen.books):
        check.ok(f"{len(seen.books)} books read")
    elif seen.books:
        check.warn("no book has both sides")
    if seen.is_open is not True:
        check.warn("the exchange says that trading is paused")
    _feed(check, now)
    return check


def check_limits(seen: Seen) -> Check:
    """4: what the account may send by `GET /account/limits`, against what every process here counts by."""
    check = Check(4)
    if seen.limits is None:
        check.error(f"the account's limits could not be read: {seen.problem}")
        return check
    check.facts["tier"] = seen.limits.usage_tier
    for name, granted in (("read", seen.limits.read), ("write", seen.limits.write)):
        check.facts[name] = f"{granted.refill_rate}/s, {granted.bucket_capacity} at once"
        counted, problem = tokens_counted(name)
        if problem:
            check.not_checked(f"{name}: {problem}")
        elif counted is None:
            check.not_checked(f"{name}: no session has told the token account yet, so it counts by the lowest tier")
        elif counted[0] > granted.bucket_capacity or counted[1] > granted.refill_rate:
            check.error(f"{name}: counted by {counted[1]:g}/s, {counted[0]:g} at once, which is more than granted")
        elif counted != (granted.bucket_capacity, granted.refill_rate):
            check.warn(f"{name}: counted by {counted[1]:g}/s, {counted[0]:g} at once, which is less than granted")
        else:
            check.ok(f"{name}: counted as granted")
    return check


def tokens_counted(bucket: str) -> tuple[tuple[float, float] | None, str]:
    """(capacity, tokens per second) that the shared token account counts by, None when nobody set it; or a problem."""
    key = TOKENS_KEY.format(environment=settings.KALSHI_ENVIRONMENT, bucket=bucket)
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1) as client:
            capacity, rate = client.hmget(key, "capacity", "rate")
    except (redis.RedisError, OSError) as error:
        return None, f"the token account does not answer ({type(error).__name__})"
    return (None if capacity is None or rate is None else (float(capacity), float(rate))), ""


async def check_batches(seen: Seen, *, clock: Clock) -> Check:
    """7: how many orders one request may place and cancel with the account's own limits and prices."""
    check = Check(7)
    if seen.limits is None or seen.costs is None:
        check.error(f"limits and prices could not be read: {seen.problem}")
        return check
    budget = basic_budget(clock)
    await apply_limits(budget, seen.limits, seen.costs)
    for name, method in (("placed", "POST"), ("canceled", "DELETE")):
        cost = budget.costs.cost(method, API_PREFIX + BATCH)
        size = budget.affordable(cost, priority=method == "DELETE")
        check.facts[name] = f"{size} orders at {cost} tokens each"
        if size < 2:
            check.error(f"only {size} order can be {name} at once")
        else:
            check.ok(f"{size} orders can be {name} at once")
    check.ok("not tried out with orders, which would be foreign to the running session")
    return check


def _feed(check: Check, now: datetime) -> None:
    feed = Feed.objects.order_by("-updated_at").first()
    if feed is None or feed.last_frame_at is None:
        check.warn("no feed has ever brought a frame")
        return
    age = (now - feed.last_frame_at).total_seconds()
    check.facts["feed"] = f"{feed.state}, newest frame {age:.1f} s old, {feed.sequence_gaps} gaps"
    if feed.state != "live" or age > feed.stale_after_s:
        check.warn(f"the feed is {feed.state}, its newest frame {age:.0f} s old")


async def _first(rows: AsyncIterator[RowT], count: int) -> AsyncIterator[RowT]:
    async for row in rows:
        yield row
        count -= 1
        if not count:
            return
