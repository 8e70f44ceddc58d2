"""One request on its way through the exchange, and what a route is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias
from urllib.parse import parse_qs, unquote

from apps.simulation.exchange.accounts import Account
from apps.simulation.exchange.exchange import Exchange
from apps.simulation.exchange.refusals import bad_query, refused
from apps.simulation.exchange.state import State
from apps.simulation.exchange.throttle import DEFAULT_COST

BASE = "/trade-api/v2"
Reply: TypeAlias = tuple[int, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """`path` is as received, percent-encoded and without the query, because that is what was signed."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Query:
    """Query parameters with the exchange's validation; unknown ones are ignored, as there."""

    def __init__(self, text: str, name: str) -> None:
        self._values = parse_qs(text)
        self._name = name

    def text(self, key: str) -> str | None:
        found = self._values.get(key)
        return found[-1] if found else None

    def all(self, key: str) -> list[str]:
        """Repeated or comma-separated values."""
        return [part for text in self._values.get(key, []) for part in text.split(",") if part]

    def flag(self, key: str) -> bool:
        return self.text(key) in ("true", "1")

    def integer(self, key: str) -> int | None:
        text = self.text(key)
        if text is None:
            return None
        if not re.fullmatch(r"-?\d{1,18}", text):
            raise bad_query(self._name, _go_name(key), "number")
        return int(text)

    def limited(self, key: str, low: int, high: int, default: int) -> int:
        """An integer that must lie in a range: refused above it, not clamped."""
        value = self.integer(key)
        if value is None:
            return default
        if value > high:
            raise bad_query(self._name, _go_name(key), "lte")
        if value < low:
            raise bad_query(self._name, _go_name(key), "gte")
        return value

    def required(self, key: str) -> int:
        value = self.integer(key)
        if value is None:
            raise bad_query(self._name, _go_name(key), "required")
        return value

    def one_of(self, key: str, allowed: Mapping[str, Any] | tuple[str, ...]) -> str | None:
        value = self.text(key)
        if value is not None and value not in allowed:
            raise bad_query(self._name, _go_name(key), "oneof")
        return value


def _go_name(key: str) -> str:
    return "".join(part.capitalize() for part in key.split("_"))


@dataclass(slots=True)
class Call:
    """A matched request. `account` is set when it was signed by a known key."""

    exchange: Exchange
    request: Request
    query: Query
    parts: dict[str, str]
    account: Account | None = None

    @property
    def state(self) -> State:
        return self.exchange.state

    @property
    def now_us(self) -> int:
        return self.exchange.clock.now_us()

    @property
    def owner(self) -> Account:
        """The account; only on routes that demand a signature."""
        if self.account is None:
            raise refused(401, "signature_is_missing_from_headers")
        return self.account


Handler: TypeAlias = Callable[[Call], Reply]


class Bucket(Enum):
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Route:
    """`cost` in tokens, or a function of the body for batches. Public routes cost only who signs them.

    `sharded`: a write that names a shard above 0 is billed to that shard's own bucket.
    """

    method: str
    pattern: str
    name: str
    handler: Handler
    public: bool = False
    bucket: Bucket = Bucket.READ
    cost: int | Callable[[bytes], int] = DEFAULT_COST
    sharded: bool = False
    regex: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", BASE + self.pattern)
        object.__setattr__(self, "regex", re.compile(pattern))

    def tokens(self, body: bytes) -> int:
        return self.cost if isinstance(self.cost, int) else self.cost(body)


class Router:
    """Finds the route of a request: exact paths by lookup, the others by pattern."""

    def __init__(self, routes: list[Route]) -> None:
        self._exact = {(r.method, BASE + r.pattern): r for r in routes if "{" not in r.pattern}
        self._patterns = [r for r in routes if "{" in r.pattern]

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        route = self._exact.get((method, path))
        if route is not None:
            return route, {}
        for candidate in self._patterns:
            if candidate.method == method and (match := candidate.regex.fullmatch(path)):
                return candidate, {k: unquote(v) for k, v in match.groupdict().items()}
        return None
