"""The tree of limits as screens show it: every node that a market of ours stands under, its use and its limits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from apps.engine.decimals import format_money, format_price, format_quantity
from apps.engine.exposure import NodeKey, NodeLevel
from apps.engine.limits import INHERITED_RULES, SHARE_SCALE, Breach, LimitRule, LimitUnit, unit_of

from .context import SessionContext
from .risk_view import RiskBook

MOST_NODES = 200
_DEPTH = {level: depth for depth, level in enumerate(NodeLevel)}
# What the engine measures where a net asset value is zero or not known: no number, and broken.
_UNKNOWN = 10**18
_MEASURED = LimitRule.MAX_CONTRACTS_PER_MARKET


def risk(context: SessionContext, book: RiskBook) -> dict[str, Any]:
    """Nodes from the root down, each once, under the first path that leads over it; at most two hundred.

    A rule that binds single orders has a limit and no use.
    """
    measured: dict[NodeKey, list[dict[str, Any]]] = defaultdict(list)
    for measure in book.measures():
        measured[measure.node].append(_measured(measure))
    now_ms = context.clock.now_ms()
    for node, rules in _unmeasured(context, book, now_ms).items():
        measured[node] += rules
    placed = list(_in_order(path for t in book.tree.tickers() if (path := book.tree.path(t)) is not None))
    return {
        "at": context.now().isoformat(),
        "account": context.account.name,
        "nav": None if book.nav_floor is None else format_money(book.nav_floor),
        "nodes": [_node(book, key, depth, measured[key], now_ms) for key, depth in placed[:MOST_NODES]],
        "nodes_left_out": max(0, len(placed) - MOST_NODES),
    }


def _in_order(paths: Iterable[tuple[NodeKey, ...]]) -> Iterable[tuple[NodeKey, int]]:
    seen: set[NodeKey] = set()
    for path in sorted(paths, key=lambda path: [(_DEPTH[key.level], key.id) for key in path]):
        for depth, key in enumerate(path):
            if key not in seen:
                seen.add(key)
                yield key, depth


def _unmeasured(context: SessionContext, book: RiskBook, now_ms: int) -> dict[NodeKey, list[dict[str, Any]]]:
    """Rates, which are used order by order, and rules that bind one order at a time; each where it was set."""
    limits = {limit for desk in context.desks.values() if desk.armed.limits for limit in desk.armed.limits.limits}
    found: dict[NodeKey, list[dict[str, Any]]] = defaultdict(list)
    for limit in sorted(limits, key=lambda limit: (str(limit.node), limit.rule.value)):
        if limit.rule is LimitRule.MAX_ORDERS_PER_MINUTE:
            orders = book.tree.use(limit.node, now_ms).orders
            found[limit.node].append(_measured(Breach(limit.node, limit.rule, orders, limit.value)))
        elif limit.rule in INHERITED_RULES and (limit.rule is not _MEASURED or limit.node.level != NodeLevel.MARKET):
            found[limit.node].append(_rule(limit.rule, limit.value, used=None, ppm=None))
    return found


def _measured(measure: Breach) -> dict[str, Any]:
    used, limit = measure.observed, measure.limit
    if used >= _UNKNOWN:
        return _rule(measure.rule, limit, used=None, ppm=SHARE_SCALE + 1)
    ppm = -(-used * SHARE_SCALE // limit) if limit else SHARE_SCALE + bool(used)
    return _rule(measure.rule, limit, used=used, ppm=ppm)


def _rule(rule: LimitRule, limit: int, *, used: int | None, ppm: int | None) -> dict[str, Any]:
    """`ppm` is the used share in millionths, above 1,000,000 when the limit is broken; None: nothing is measured."""
    return {
        "rule": rule.value,
        "unit": str(unit_of(rule)),
        "limit": _number(rule, limit),
        "used": None if used is None else _number(rule, used),
        "room": None if used is None else _number(rule, max(0, limit - used)),
        "ppm": ppm,
    }


def _number(rule: LimitRule, value: int) -> str:
    """Dollars, contracts, a count, or per cent."""
    unit = unit_of(rule)
    if unit is LimitUnit.MONEY:
        return format_money(value)
    if unit is LimitUnit.QUANTITY:
        return format_quantity(value)
    if unit in (LimitUnit.PRICE, LimitUnit.SHARE):
        return format_price(value)
    return str(value)


def _node(book: RiskBook, key: NodeKey, depth: int, rules: list[dict[str, Any]], now_ms: int) -> dict[str, Any]:
    use = book.tree.use(key, now_ms)
    return {
        "level": key.level.value,
        "id": key.id,
        "depth": depth,
        "dollars": format_money(use.dollars),
        "contracts": format_quantity(use.contracts),
        "orders": use.orders,
        "rules": rules,
    }
