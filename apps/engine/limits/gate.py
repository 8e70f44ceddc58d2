"""May this order be sent now? First what holds at any size, then the limits, of which the tightest binds."""

from __future__ import annotations

from collections.abc import Callable

from apps.engine.exposure import NodeKey, NodeUse
from apps.engine.portfolio import worst_case_cost
from apps.engine.types import Money, OrderIntent, Quantity

from .inputs import intent_problem, view_problem
from .model import Limit, RiskDecision, RiskLimits, RiskView
from .rules import SHARE_SCALE, LimitRule, TradingState, limit_text

FULL = 1_000_000
_NO_ROOM = 10**18


def check_intent(intent: OrderIntent, limits: RiskLimits | None, view: RiskView | None) -> RiskDecision:
    """Judges one order; never raises for bad input, it denies. Exactly at a limit is allowed.

    1. input not known or no integer  2. trading state  3. restricted market  4. reducing only  5. own order on the
    other side  6. price band  7. of all limits in dollars, contracts, shares and rates the one with the least room.
    An order that adds nothing at risk passes 7 in all but its own size and the rates.
    """
    if limits is None or view is None:
        return _deny(LimitRule.INPUT_MISSING, "no limits" if limits is None else "no risk view")
    bad = limits.problem or intent_problem(intent) or view_problem(view)
    if bad is not None:
        return _deny(*bad)
    facts = _Facts(intent, limits, view)
    for rule in _ABSOLUTE:
        refusal = rule(facts)
        if refusal is not None:
            return refusal
    return _tightest(facts)


class _Facts:
    """The inputs after it was checked that all are there, and what follows from them."""

    __slots__ = ("added_contracts", "added_cost", "after", "intent", "limits", "sign", "stacked", "view")

    def __init__(self, intent: OrderIntent, limits: RiskLimits, view: RiskView) -> None:
        self.intent, self.limits, self.view = intent, limits, view
        position, bids, asks = view.position or 0, view.resting_bids or 0, view.resting_asks or 0
        sign = self.sign = intent.side.sign
        # Signed position if everything of ours resting on the intent's side had filled, and the order after it.
        self.stacked: Quantity = position + bids if sign > 0 else position - asks
        self.after: Quantity = self.stacked + sign * intent.quantity
        self.added_cost: Money = worst_case_cost(intent.side, intent.price, intent.quantity, self.stacked)
        other = abs(position - asks) if sign > 0 else abs(position + bids)
        self.added_contracts: Quantity = max(abs(self.after), other) - max(abs(self.stacked), other)


def _deny(
    rule: LimitRule, reason: str, observed: int | None = None, limit: int | None = None, node: NodeKey | None = None
) -> RiskDecision:
    return RiskDecision(False, rule, observed, limit, reason, node, rule if limit is not None else None)


def _check_trading_state(facts: _Facts) -> RiskDecision | None:
    """Anything but active or reducing denies, unknown states included."""
    state = facts.view.trading_state
    if state in (TradingState.ACTIVE, TradingState.REDUCING):
        return None
    return _deny(LimitRule.TRADING_STATE, f"trading is {state}")


def _check_restricted(facts: _Facts) -> RiskDecision | None:
    """A restricted market may not even be left by trading."""
    if not facts.view.restrictions:
        return None
    return _deny(LimitRule.RESTRICTED, f"restricted market: {'; '.join(facts.view.restrictions)}")


def _check_reducing(facts: _Facts) -> RiskDecision | None:
    """While reducing, an order and all resting on its side must not carry the position past zero."""
    if facts.view.trading_state is not TradingState.REDUCING:
        return None
    quantity, reducible = facts.intent.quantity, max(-facts.sign * facts.stacked, 0)
    if quantity <= reducible:
        return None
    over, left = (limit_text(LimitRule.REDUCING_ONLY, value) for value in (quantity, reducible))
    return _deny(LimitRule.REDUCING_ONLY, f"only reducing: {over} would pass the {left} to close", quantity, reducible)


def _check_self_trade(facts: _Facts) -> RiskDecision | None:
    """The order must not meet one of our own on the other side."""
    opposite = facts.view.own_opposite
    if not opposite:
        return None
    price = facts.intent.price
    best = min(opposite) if facts.sign > 0 else max(opposite)
    if (price - best) * facts.sign < 0:
        return None
    at, own = limit_text(LimitRule.SELF_TRADE, price), limit_text(LimitRule.SELF_TRADE, best)
    return _deny(LimitRule.SELF_TRADE, f"{at} would trade with our own order at {own}", price, best)


def _check_price_band(facts: _Facts) -> RiskDecision | None:
    """The price must stand within [min_price, max_price]."""
    price, inherited = facts.intent.price, facts.limits.inherited
    for limit in (inherited[LimitRule.MIN_PRICE], inherited[LimitRule.MAX_PRICE]):
        below = limit.rule is LimitRule.MIN_PRICE
        if price < limit.value if below else price > limit.value:
            word = "below" if below else "above"
            at, edge = limit_text(limit.rule, price), limit_text(limit.rule, limit.value)
            return _deny(
                limit.rule, f"price {at} {word} the band's {edge} of {limit.node}", price, limit.value, limit.node
            )
    return None


_ABSOLUTE = (_check_trading_state, _check_restricted, _check_reducing, _check_self_trade, _check_price_band)


def _tightest(facts: _Facts) -> RiskDecision:
    """Looks at every limit and reports the one with the least room, allowed or not."""
    binding: Limit | None = None
    worst, seen = -1, 0
    uses = {use.key: use for use in facts.view.nodes or ()}
    for limit in facts.limits.measured:
        observed = _OBSERVED[limit.rule](facts, uses.get(limit.node))
        if observed is None:
            continue
        if isinstance(observed, str):
            return _deny(LimitRule.INPUT_MISSING, f"{limit.rule} of {limit.node}: {observed}", node=limit.node)
        used = _used_ppm(observed, limit.value)
        if used > worst:
            binding, worst, seen = limit, used, observed
    if binding is None:
        return _deny(LimitRule.INPUT_MISSING, "no limit could be measured")
    return _verdict(binding, worst, seen)


def _used_ppm(observed: int, limit: int) -> int:
    """Share of a limit in use, in millionths, rounded up: above FULL exactly when the limit is broken."""
    if limit:
        return -(-observed * FULL // limit)
    return _NO_ROOM if observed else FULL


def _verdict(binding: Limit, used_ppm: int, observed: int) -> RiskDecision:
    rule, node, limit = binding.rule, binding.node, binding.value
    if used_ppm <= FULL:
        return RiskDecision(
            True, LimitRule.ALLOWED, observed, limit, "within all limits", node=node, binding=rule, used_ppm=used_ppm
        )
    reason = f"{node}: {rule} would be {limit_text(rule, observed)}, limit {limit_text(rule, limit)}"
    return RiskDecision(False, rule, observed, limit, reason, node=node, binding=rule, used_ppm=used_ppm)


_Observed = int | str | None
"""What a limit measures after this order; why it cannot be measured; or None where it does not bind the order."""

_NOT_ON_PATH = "the node is not on the market's path"


def _order_dollars(facts: _Facts, use: NodeUse | None) -> _Observed:
    """What the order alone would cost to fill: a bid p*q, an ask (1-p)*q."""
    intent = facts.intent
    return worst_case_cost(intent.side, intent.price, intent.quantity, 0)


def _order_contracts(facts: _Facts, use: NodeUse | None) -> _Observed:
    return facts.intent.quantity


def _depth_share(facts: _Facts, use: NodeUse | None) -> _Observed:
    """The order against what others show; what only closes may be as large as it is."""
    depth = facts.view.depth
    if not facts.added_cost:
        return None
    if depth is None:
        return "visible depth is not known"
    return -(-facts.intent.quantity * SHARE_SCALE // depth) if depth else _NO_ROOM


def _market_contracts(facts: _Facts, use: NodeUse | None) -> _Observed:
    """The position after all resting orders of this side and the new one, unless it only gets smaller."""
    return abs(facts.after) if facts.after * facts.sign > 0 else None


def _node_dollars(facts: _Facts, use: NodeUse | None) -> _Observed:
    if not facts.added_cost:
        return None
    return _NOT_ON_PATH if use is None else use.dollars + facts.added_cost


def _node_contracts(facts: _Facts, use: NodeUse | None) -> _Observed:
    if not facts.added_cost:
        return None
    return _NOT_ON_PATH if use is None else use.contracts + facts.added_contracts


def _node_rate(facts: _Facts, use: NodeUse | None) -> _Observed:
    """Orders of the last 60 s with this one; an order that reduces counts like any other."""
    return _NOT_ON_PATH if use is None else use.orders + 1


def _node_nav_share(facts: _Facts, use: NodeUse | None) -> _Observed:
    nav = facts.view.nav
    if not facts.added_cost:
        return None
    if use is None or nav is None:
        return _NOT_ON_PATH if use is None else "net asset value is not known"
    return -(-(use.dollars + facts.added_cost) * SHARE_SCALE // nav) if nav else _NO_ROOM


_OBSERVED: dict[LimitRule, Callable[[_Facts, NodeUse | None], _Observed]] = {
    LimitRule.MAX_ORDER_DOLLARS: _order_dollars,
    LimitRule.MAX_ORDER_CONTRACTS: _order_contracts,
    LimitRule.MAX_DEPTH_SHARE: _depth_share,
    LimitRule.MAX_CONTRACTS_PER_MARKET: _market_contracts,
    LimitRule.MAX_TOTAL_EXPOSURE: _node_dollars,
    LimitRule.MAX_CONTRACTS: _node_contracts,
    LimitRule.MAX_ORDERS_PER_MINUTE: _node_rate,
    LimitRule.MAX_NAV_SHARE: _node_nav_share,
}
