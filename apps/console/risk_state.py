"""The tree of limits for the page: from the session's live use, else the stored limits alone, saying so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from apps.core import live
from apps.engine.errors import BadNumber
from apps.engine.limits import LimitRule as EngineRule
from apps.engine.limits import LimitUnit, unit_of
from apps.engine.switches.catalogue import SWITCHES
from apps.risk.choices import LimitRule, Scope
from apps.risk.models import RestrictedMarket, RiskLimit, TradingState
from apps.risk.scopes import scope_text
from apps.risk.selectors import states_all
from apps.risk.services.switches import thresholds_in_force
from apps.trading.models import Account

from .live_state import UnreadableState, needed, needed_instant, number

FULL = 1_000_000
NO_USE = "No live use: the trading session or Redis is silent. Only the stored limits are shown."
_QUIET_LEVELS = ("event", "market")


@dataclass(frozen=True, slots=True)
class Rule:
    """One limit of one node. Without `ppm` (used share in millionths) it binds single orders and is not used up."""

    rule: str
    unit: str
    limit: Decimal
    used: Decimal | None
    room: Decimal | None
    ppm: int | None

    @property
    def label(self) -> str:
        return dict(LimitRule.choices).get(self.rule, self.rule)

    @property
    def is_broken(self) -> bool:
        return self.ppm is not None and self.ppm > FULL

    @property
    def percent(self) -> Decimal | None:
        return None if self.ppm is None else Decimal(self.ppm) / 10_000

    @property
    def bar(self) -> int | None:
        """Length of the bar, where 100 is the limit and 120 the end of the scale."""
        return None if self.ppm is None else min(120, -(-self.ppm // 10_000))


@dataclass(frozen=True, slots=True)
class Node:
    """`depth` counts from the root; `binding` is the rule with the largest used share, None where none is used."""

    level: str
    id: str
    depth: int
    dollars: Decimal
    contracts: Decimal
    orders: int
    rules: tuple[Rule, ...]
    binding: Rule | None

    @property
    def text(self) -> str:
        return scope_text(self.level, self.id) if self.level in Scope.values else f"{self.level} {self.id}"

    @property
    def is_choice(self) -> bool:
        """Whether several of its rules are in use, so that it is worth saying which binds."""
        return sum(bool(rule.ppm) for rule in self.rules) > 1

    @property
    def is_quiet(self) -> bool:
        """A market or event in which nothing is at risk and no order was sent."""
        return self.level in _QUIET_LEVELS and not (self.dollars or self.contracts or self.orders)


@dataclass(frozen=True, slots=True)
class Tree:
    at: datetime
    account: str
    nav: Decimal | None
    nodes: tuple[Node, ...]
    quiet: int
    left_out: int

    @property
    def tightest(self) -> Node | None:
        """The node that stops us first."""
        bound = [node for node in self.nodes if node.binding is not None]
        return max(bound, key=lambda node: node.binding.ppm or 0, default=None)  # type: ignore[union-attr]

    @property
    def broken(self) -> int:
        return sum(rule.is_broken for node in self.nodes for rule in node.rules)


@dataclass(frozen=True, slots=True)
class StoredLimit:
    key: int
    where: str
    rule: Rule
    version: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class RiskScreen:
    """`tree` None: `notice` says why there is no live use."""

    tree: Tree | None
    notice: str
    warn_percent: Decimal
    limits: tuple[StoredLimit, ...]
    states: tuple[TradingState, ...]
    restrictions: tuple[RestrictedMarket, ...]


def risk_build(*, account: Account | None, with_quiet: bool) -> RiskScreen:
    tree, notice = _tree(account, with_quiet=with_quiet)
    return RiskScreen(
        tree=tree,
        notice=notice,
        warn_percent=_warn_percent(),
        limits=tuple(_stored(row) for row in RiskLimit.objects.all()),
        states=tuple(states_all()),
        restrictions=tuple(RestrictedMarket.objects.filter(lifted_at=None).select_related("user", "added_by")),
    )


def _tree(account: Account | None, *, with_quiet: bool) -> tuple[Tree | None, str]:
    payload = live.read("risk")
    if payload is None:
        return None, NO_USE
    try:
        tree = tree_of(payload, with_quiet=with_quiet)
    except UnreadableState as unreadable:
        return None, f"The live use could not be read ({unreadable}). Only the stored limits are shown."
    if account is not None and tree.account != account.name:
        return None, f"The live use is of account {tree.account}. Only the stored limits are shown."
    return tree, ""


def tree_of(payload: dict[str, Any], *, with_quiet: bool = True) -> Tree:
    """Raises `UnreadableState`; a half-understood tree is not shown."""
    try:
        nodes = [_node(row) for row in payload["nodes"]]
        shown = tuple(node for node in nodes if with_quiet or not node.is_quiet)
        return Tree(
            at=needed_instant(payload["at"]),
            account=payload["account"],
            nav=number(payload["nav"]),
            nodes=shown,
            quiet=len(nodes) - len(shown),
            left_out=int(payload["nodes_left_out"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise UnreadableState(f"{type(error).__name__}: {error}") from error


def _node(row: dict[str, Any]) -> Node:
    rules = tuple(_rule(rule) for rule in row["rules"])
    return Node(
        level=row["level"],
        id=row["id"],
        depth=int(row["depth"]),
        dollars=needed(row["dollars"]),
        contracts=needed(row["contracts"]),
        orders=int(row["orders"]),
        rules=tuple(sorted(rules, key=lambda rule: (rule.ppm is None, -(rule.ppm or 0), rule.rule))),
        binding=_binding(rules),
    )


def _binding(rules: Iterable[Rule]) -> Rule | None:
    used = [rule for rule in rules if rule.ppm]
    return max(used, key=lambda rule: rule.ppm or 0, default=None)


def _rule(row: dict[str, Any]) -> Rule:
    ppm = row["ppm"]
    if ppm is not None and type(ppm) is not int:
        raise TypeError(f"not a share: {ppm!r}")
    return Rule(row["rule"], row["unit"], needed(row["limit"]), number(row["used"]), number(row["room"]), ppm)


def _stored(row: RiskLimit) -> StoredLimit:
    unit = unit_of(EngineRule(row.rule)) or LimitUnit.COUNT
    value = row.value * 100 if unit is LimitUnit.SHARE else row.value
    rule = Rule(row.rule, str(unit), value, None, None, None)
    return StoredLimit(row.pk, scope_text(row.scope, row.scope_id), rule, row.version, row.updated_at)


def _warn_percent() -> Decimal:
    """Where K16 warns, in per cent of a limit."""
    try:
        thresholds = thresholds_in_force()["K16"]
    except BadNumber:
        thresholds = SWITCHES["K16"].thresholds
    return Decimal(thresholds.warn_bps) / 100  # type: ignore[attr-defined]
