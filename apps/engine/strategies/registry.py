"""The strategies by slug: backtest, paper and live take the same kernel from here."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from apps.engine import fees, rollout
from apps.engine.errors import EngineError, InvariantBroken

from . import execution, maker_inside, taking
from .base import Decision, MarketView


class UnknownStrategy(EngineError):
    """No strategy has this slug."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """A strategy: its kernel, its parameter type (defaults without arguments) and the version of its rules.

    `parts` are the modules beside the kernel's own that decide with it.
    """

    slug: str
    title: str
    version: str
    decide: Callable[[MarketView, Any], Decision]
    params_type: type[Any]
    parts: tuple[ModuleType, ...] = ()

    @property
    def code_hash(self) -> str:
        """SHA-256 (hex) of the source of the kernel's module and its parts, to tie decisions to their code."""
        return _source_hash(self.decide, self.parts)


@cache
def _source_hash(kernel: Callable[[MarketView, Any], Decision], parts: tuple[ModuleType, ...]) -> str:
    module = inspect.getmodule(kernel)
    if module is None:
        raise InvariantBroken(f"{kernel!r} belongs to no module")
    sources = [inspect.getsource(part) for part in (module, *parts)]
    return hashlib.sha256("\0".join(sources).encode()).hexdigest()


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
            parts=(taking, execution, rollout, fees),
        ),
    )
)


def strategy(slug: str) -> Strategy:
    """The strategy of a slug; raises `UnknownStrategy`."""
    try:
        return STRATEGIES[slug]
    except KeyError:
        raise UnknownStrategy(f"no strategy is called {slug!r}") from None
