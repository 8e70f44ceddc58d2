"""Limits that are broken already, as after a fill, a limit that was lowered or a loss of net asset value."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from apps.engine.exposure import NodeKey, NodeUse
from apps.engine.types import Money

from .model import Limit
from .rules import SHARE_SCALE, LimitRule


class Breach(NamedTuple):
    """One limit of a node and what it measures now, in the rule's unit; broken when `observed` is above `limit`."""

    node: NodeKey
    rule: LimitRule
    observed: int
    limit: int

    @property
    def is_broken(self) -> bool:
        return self.observed > self.limit


def measures(limits: Iterable[Limit], use: Callable[[NodeKey], NodeUse], nav: Money | None) -> list[Breach]:
    """What every node limit in dollars, contracts and share of NAV measures now; each limit once.

    A share of a NAV that is not known or zero counts as broken whenever anything is at risk. Orders per minute are
    not among them: they were allowed one by one.
    """
    found: dict[Limit, Breach] = {}
    for limit in limits:
        if limit not in found:
            observed = _observed(limit.rule, use(limit.node), nav)
            if observed is not None:
                found[limit] = Breach(limit.node, limit.rule, observed, limit.value)
    return list(found.values())


def breaches(limits: Iterable[Limit], use: Callable[[NodeKey], NodeUse], nav: Money | None) -> list[Breach]:
    """Those of `measures` that are broken."""
    return [measure for measure in measures(limits, use, nav) if measure.is_broken]


def _observed(rule: LimitRule, use: NodeUse, nav: Money | None) -> int | None:
    if rule is LimitRule.MAX_TOTAL_EXPOSURE:
        return use.dollars
    if rule is LimitRule.MAX_CONTRACTS:
        return use.contracts
    if rule is LimitRule.MAX_NAV_SHARE:
        if not use.dollars:
            return 0
        return -(-use.dollars * SHARE_SCALE // nav) if nav else 10**18
    return None
