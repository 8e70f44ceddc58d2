"""From a request to its answer: route, signature, tokens, handler."""

from __future__ import annotations

from apps.simulation.exchange.accounts import Account
from apps.simulation.exchange.exchange import Exchange
from apps.simulation.exchange.refusals import Refusal, not_found, too_many_requests

from .auth import authenticate, is_signed
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
    bucket = account.write_bucket if route.bucket is Bucket.WRITE else account.read_bucket
    if not bucket.take(route.tokens(request.body), exchange.clock.now_us()):
        raise too_many_requests()
