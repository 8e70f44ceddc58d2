"""One request builder for all REST calls: budget, signature, send, and the typed meaning of what came back.

Reads may be repeated with bounded backoff. Writes are sent once: after a write left us, anything but a clear
answer is `OutcomeUnknown`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol, TypeVar
from urllib.parse import quote, urlencode

import httpx2
import msgspec

from apps.engine.ports import LastLook
from apps.engine.types import Ticker
from apps.gateway.clock import Clock
from apps.gateway.errors import (
    AuthenticationFailed,
    BadMessage,
    ConnectFailed,
    GatewayError,
    IdentityMismatch,
    RateLimited,
    ReadFailed,
    ReplyTimeout,
    RequestRefused,
    Retryable,
    UndecodableReply,
    VenueRejected,
)
from apps.gateway.kalshi.bodies import parse
from apps.gateway.kalshi.error_bodies import error_of
from apps.gateway.kalshi.limits import API_PREFIX, BATCH, ONE_ORDER, ORDERS
from apps.gateway.kalshi.server_clock import ServerClock
from apps.gateway.kalshi.signing import Signer
from apps.gateway.throttle import Budget, Sleep, backoff_s

T = TypeVar("T")
Params = Mapping[str, Any]

READ_ATTEMPTS = 4
MAX_PAGES = 1000
# A new order that waits longer for its tokens is not sent: what it was judged by is outdated by then.
CREATE_WAIT_S = 1.0
MAX_NOTE = 160
MAX_BODY_BYTES = 64 * 1024 * 1024
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)


class Page(Protocol):
    @property
    def cursor(self) -> str | None: ...


PageT = TypeVar("PageT", bound=Page)


@dataclass(frozen=True, slots=True)
class Call:
    """One REST call. `template` names the path with `:param` for its cost; `items` multiplies it (batches).

    `shard` above 0 is a single write addressed to that shard, which bills the shard's own bucket.
    `reads_5xx`: the body is wanted even with a 5xx (exchange status during an outage). `orders_in`: markets in which
    it places or changes orders, hence `last_look` is asked once more right before it leaves; `creates`: their client
    order ids where they are new.
    """

    method: str
    template: str
    path_params: Mapping[str, str] = field(default_factory=dict)
    params: Params = field(default_factory=dict)
    body: Any = None
    items: int = 1
    priority: bool = False
    shard: int = 0
    reads_5xx: bool = False
    orders_in: tuple[Ticker, ...] = ()
    creates: tuple[str, ...] = ()

    @property
    def is_write(self) -> bool:
        return self.method != "GET"

    @property
    def path(self) -> str:
        path = self.template
        for name, value in self.path_params.items():
            if not value:
                raise RequestRefused(f"{self.template}: {name} is empty")
            path = path.replace(f":{name}", quote(value, safe=""))
        return path


def query_pairs(params: Params) -> list[tuple[str, str]]:
    """Query in order: None is left out, booleans are `true`/`false`, a sequence repeats its name."""
    return [
        (name, str(one).lower() if isinstance(one, bool) else str(one))
        for name, value in params.items()
        if value is not None
        for one in (value if isinstance(value, list | tuple) else (value,))
    ]


# The pool looks at every connection for every request: a hundred of them cost 0.5 ms per order, these almost nothing,
# and carry more requests than any tier's tokens allow.
CONNECTIONS = 16
POOL = httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS, keepalive_expiry=60)


class RestTransport:
    """Sends calls to `base_url` (which ends in the API prefix). Not aware of any endpoint."""

    def __init__(
        self,
        base_url: str,
        signer: Signer | None,
        budget: Budget,
        clock: Clock,
        *,
        client: httpx2.AsyncClient | None = None,
        rng: Random | None = None,
        timeout_s: float = 10.0,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._base = httpx2.URL(base_url.rstrip("/"))
        self._signer = signer
        self.budget = budget
        self.clock = clock
        self._owns_client = client is None
        # No proxy or netrc from the environment: a signed order must go where it was addressed.
        self._client = client or httpx2.AsyncClient(timeout=timeout_s, trust_env=False, limits=POOL)
        self._rng = rng or Random()
        self._sleep = sleep
        self.refused_rows: Counter[str] = Counter()
        self.rate_limited = 0
        self.on_outcome: Callable[[bool], None] | None = None
        # What waits for tokens or a connection is asked about after that wait.
        self.last_look: LastLook | None = None
        # As many turns as the pool has connections, so that nothing waits behind that last question.
        self._turns = asyncio.Semaphore(CONNECTIONS) if client is None else contextlib.nullcontext()
        self._server_clock = ServerClock()

    @property
    def clock_skew_ms(self) -> int | None:
        """Local clock minus the venue's by the newest reply; within half a second of zero it says nothing."""
        return self._server_clock.skew_ms

    @property
    def writes_per_s(self) -> float:
        """Orders a second that the account's tokens create or amend, whichever is dearer."""
        costs = self.budget.costs
        dearest = max(costs.cost("POST", API_PREFIX + ORDERS), costs.cost("POST", API_PREFIX + ONE_ORDER + "/amend"))
        return self.budget.limit(write=True).refill_per_s / dearest

    def batch_size(self, method: str) -> int:
        """Orders of one batch of this method that the account can pay for at once."""
        cost = self.budget.costs.cost(method, API_PREFIX + BATCH)
        return self.budget.affordable(cost, priority=method == "DELETE")

    async def aclose(self) -> None:
        if self._owns_client:
            await self._client.aclose()
        await self.budget.aclose()

    async def call(self, kind: type[T], call: Call) -> T:
        """Send and read the answer as `kind`. Reads are repeated on `Retryable`, writes never."""
        attempts = 1 if call.is_write else READ_ATTEMPTS
        for attempt in range(attempts):
            try:
                return await self._once(kind, call)
            except Retryable:
                if attempt + 1 >= attempts:
                    raise
            await self._sleep(backoff_s(attempt, self._rng))
        raise AssertionError("unreachable")

    async def pages(self, kind: type[PageT], call: Call, *, max_pages: int = MAX_PAGES) -> AsyncIterator[PageT]:
        """All pages; an empty or null cursor ends them, a repeated one or too many raise `ReadFailed`."""
        cursor: str | None = None
        seen: set[str] = set()
        for _ in range(max_pages):
            params = {**call.params, "cursor": cursor}
            page = await self.call(kind, Call(call.method, call.template, call.path_params, params))
            yield page
            cursor = page.cursor or None
            if cursor is None:
                return
            if cursor in seen:
                raise ReadFailed(f"{call.template}: the same cursor came twice")
            seen.add(cursor)
        raise ReadFailed(f"{call.template}: more than {max_pages} pages")

    def readable(self, kind: type[T], rows: Iterable[msgspec.Raw]) -> Iterator[T]:
        """Each row that can be read; the others are counted in `refused_rows`. For catalogues only: one odd
        market must not hide a thousand, whereas an account's rows are read all or not at all."""
        for row in rows:
            try:
                yield parse(kind, bytes(row))
            except BadMessage as e:
                self.refused_rows[str(e)[:MAX_NOTE]] += 1

    async def _once(self, kind: type[T], call: Call) -> T:
        request = self._build(call)
        cost = self.budget.costs.cost(call.method, API_PREFIX + call.template) * call.items
        await self.budget.acquire(
            cost, write=call.is_write, priority=call.priority, shard=call.shard,
            max_wait_s=CREATE_WAIT_S if call.creates else None,
        )  # fmt: skip
        async with self._turns:
            self._look(call)
            self._sign(request)
            try:
                result = self._read(kind, call, await self._send(request, call))
            except GatewayError as e:
                # A clear refusal shows a working exchange; the error rate counts what does not.
                self._note(isinstance(e, VenueRejected) and not isinstance(e, AuthenticationFailed))
                raise
        self._note(True)
        return result

    def _look(self, call: Call) -> None:
        """Raises `RequestRefused` for orders that may not leave any more."""
        if call.orders_in and self.last_look is not None:
            why = self.last_look(call.orders_in, call.creates)
            if why is not None:
                raise RequestRefused(why)

    def _note(self, is_success: bool) -> None:
        if self.on_outcome is not None:
            self.on_outcome(is_success)

    def _read(self, kind: type[T], call: Call, data: bytes) -> T:
        try:
            return parse(kind, data or b"{}")
        except BadMessage as e:
            if call.is_write:
                raise UndecodableReply(f"{call.method} {call.template}: {e}") from e
            raise

    def _build(self, call: Call) -> httpx2.Request:
        url = f"{self._base}{call.path}"
        headers = {"Accept": "application/json"}
        content = None
        if call.body is not None:
            content = msgspec.json.encode(call.body)
            headers["Content-Type"] = "application/json"
        query = urlencode(query_pairs(call.params))
        if query:
            url = f"{url}?{query}"
        return self._client.build_request(call.method, url, content=content, headers=headers)

    def _sign(self, request: httpx2.Request) -> None:
        # After the budget's wait: a signature older than the venue's clock window would be refused.
        if self._signer is not None:
            path = request.url.raw_path.decode("ascii")
            request.headers.update(self._signer.headers(request.method, path))

    async def _send(self, request: httpx2.Request, call: Call) -> bytes:
        what = f"{call.method} {call.template}"
        try:
            response = await self._client.send(request)
        except _NOT_SENT as e:
            raise ConnectFailed(f"{what}: {type(e).__name__}") from None
        except httpx2.HTTPError as e:
            failed = ReplyTimeout if call.is_write else ReadFailed
            raise failed(f"{what}: {type(e).__name__}") from None
        self._server_clock.note(response.headers.get("date"), self.clock.now_ms())
        wanted = 200 <= response.status_code < 300 or (call.reads_5xx and response.status_code >= 500)
        if wanted and len(response.content) <= MAX_BODY_BYTES:
            return response.content
        about_order = "/orders/:order_id" in call.template
        error = error_of(response.status_code, response.content, is_write=call.is_write, about_order=about_order)
        if isinstance(error, RateLimited):
            self.rate_limited += 1
            await self.budget.drain(write=call.is_write, shard=call.shard)
        raise error


def must_match(what: str, sent: str, got: str | None) -> None:
    """Raise `IdentityMismatch` when a reply names something else than what we sent."""
    if got and got != sent:
        raise IdentityMismatch(f"{what}: sent {sent}, the reply is about {got}")
