"""The strategies by slug: backtest, paper and live take the same kernel from here."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from apps.engine.errors import EngineError, InvariantBroken

from . import maker_inside
from .base import Decision, MarketView


class UnknownStrategy(EngineError):
    """No strategy has this slug."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """A strategy: its kernel, its parameter type (defaults without arguments) and the version of its rules."""

    slug: str
    title: str
    version: str
    decide: Callable[[MarketView, Any], Decision]
    params_type: type[Any]

    @property
    def code_hash(self) -> str:
        """SHA-256 (hex) of the source of the kernel's module, to tie decisions to the code that made them."""
        return _source_hash(self.decide)


@cache
def _source_hash(kernel: Callable[[MarketView, Any], Decision]) -> str:
    module = inspect.getmodule(kernel)
    if module is None:
        raise InvariantBroken(f"{kernel!r} belongs to no module")
    return hashlib.sha256(inspect.getsource(module).encode()).hexdigest()


def by_slug(strategies: tuple[Strategy, ...]) -> Mapping[str, Strategy]:
    """The catalogue; a slug used twice raises `InvariantBroken`."""
    found = {s.slug: s for s in strategies}
    if len(found) != len(strategies):
        raise InvariantBroken("two strategies share a slug")
    return found


STRATEGIES = by_slug(
    (
        Strategy(
            maker_inside.SLUG,
            "One tick inside the spread",
            maker_inside.VERSION,
            maker_inside.decide,
            maker_inside.MakerParams,
        ),
    )
)


def strategy(slug: str) -> Strategy:
    """The strategy of a slug; raises `UnknownStrategy`."""
    try:
        return STRATEGIES[slug]
    except KeyError:
        raise UnknownStrategy(f"no strategy is called {slug!r}") from None
