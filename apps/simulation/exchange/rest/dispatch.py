"""From a request to its answer: route, signature, tokens, handler."""

from __future__ import annotations

from apps.simulation.exchange.accounts import Account
from apps.simulation.exchange.exchange import Exchange
from apps.simulation.exchange.markets import SHARDS
from apps.simulation.exchange.refusals import Refusal, not_found, too_many_requests

from .auth import authenticate, is_signed
from .bodies import shard_of
from .call import Bucket, Call, Query, Reply, Request, Route
from .routes import ROUTER


def respond(exchange: Exchange, request: Request) -> Reply:
    """Status and JSON body (None for no body), once what it did is written down.

    Never raises for anything a client can send; `StateFileError` when the state file fails.
    """
    exchange.advance()
    try:
        reply = _handle(exchange, request)
    except Refusal as refusal:
        reply = refusal.status, refusal.body
    exchange.commit()
    return reply


def _handle(exchange: Exchange, request: Request) -> Reply:
    found = ROUTER.find(request.method, request.path)
    if found is None:
        raise not_found()
    route, parts = found
    account: Account | None = None
    if not route.public or is_signed(request.headers):
        account = authenticate(exchange, request.method, request.path, request.headers)
        _charge(exchange, account, route, request)
    return route.handler(Call(exchange, request, Query(request.query, route.name), parts, account))


def _charge(exchange: Exchange, account: Account, route: Route, request: Request) -> None:
    bucket, name = account.read_bucket, route.bucket.value
    if route.bucket is Bucket.WRITE:
        shard = _shard(route, request)
        bucket = exchange.state.write_bucket(account, shard)
        name = f"{name}:{shard}" if shard else name
    account.meter.asked[name] += 1
    if not bucket.take(route.tokens(request.body), exchange.clock.now_us()):
        account.meter.refused[name] += 1
        raise too_many_requests()


def _shard(route: Route, request: Request) -> int:
    """The shard above 0 whose own bucket pays for a write; 0 is the account's."""
    if not route.sharded:
        return 0
    named = shard_of(request.body)
    if named is None and "exchange_index" in request.query:
        named = Query(request.query, route.name).integer("exchange_index")
    return named if named is not None and 0 < named < len(SHARDS) else 0
