"""Codes of the platform in plain words, for the screen."""

from __future__ import annotations

import re
from decimal import Decimal

from apps.risk.choices import LimitRule

from .amounts import exact

REASONS = {
    "joined_inside": "Quoting one tick inside",
    "keep": "Keeping what rests",
    "faded": "Stepped back after a fill",
    "requeued": "Moved ahead of a long queue",
    "take": "Taking the other side",
    "params_missing": "No approved parameters",
    "trading_state": "Trading is not active",
    "market_not_open": "Market is not open",
    "feed_stale": "Feed is stale",
    "book_unquotable": "Book cannot be trusted",
    "position_unknown": "Position is not known",
    "no_bid": "Nobody else bids",
    "no_ask": "Nobody else offers",
    "would_cross": "Others' bid meets their ask",
    "spread_below_minimum": "Spread under the minimum",
    "no_price_inside": "No price inside the spread",
    "one_price_inside": "One price inside, other side has it",
    "outside_price_band": "Outside the price band",
    "position_at_maximum": "Position at its maximum",
    "side_off": "Side is switched off",
    "no_price_to_fade_to": "No price left to step back to",
    "reference_unknown": "No reference price yet",
    "fee_unknown": "Fee is not known",
    "edge_below_minimum": "Not enough better than the reference",
}
RULES = {code: label[0].lower() + label[1:] for code, label in LimitRule.choices}
QUOTING = frozenset({"joined_inside", "keep", "faded", "requeued", "take"})

REQUESTS = {
    "trading.parameters.change": "Change parameters",
    "trading.fallback.switch": "Sign a fallback beforehand",
    "trading.version.approve": "Review strategy code",
    "trading.scope.change": "Change the markets of a strategy",
    "trading.config.enable": "Arm a strategy",
    "trading.ladder.waive": "Let a gate of the ladder stand open",
    "risk.resume": "Resume trading",
    "risk.limit.change": "Change a limit",
    "risk.theme.shrink": "Change a theme",
    "risk.restriction.lift": "Lift a restriction",
    "governance.direction.choose": "Choose a direction",
    "governance.signoff.change": "Change needed signatures",
}

_CODE = re.compile(r"[a-z0-9_]+")
_RULE = re.compile(r"\b(?:max|min)_[a-z_]+\b")
_DOLLARS = re.compile(r"\$(\d+\.\d{6})\b")
_ANSWER = re.compile(r"HTTP \d{3}: \w+: (?:.*: )?(.+)")

LAMPS = {
    "running": "ok",
    "live": "ok",
    "active": "ok",
    "starting": "wait",
    "reconciling": "wait",
    "connecting": "wait",
    "stopping": "wait",
    "paused": "warn",
    "reducing": "warn",
    "degraded": "warn",
    "halted": "stop",
    "failed": "stop",
    "down": "stop",
    "stopped": "idle",
    "off": "idle",
    "ok": "ok",
    "warn": "warn",
    "tripped": "stop",
    "no_input": "stop",
    "alive": "ok",
    "late": "stop",
    "open": "ok",
    "no trading": "stop",
}


def in_words(code: str) -> str:
    """The phrase for a reason; another code with its underscores opened; a text that is no code of ours as it is."""
    if not _CODE.fullmatch(code):
        return code
    return REASONS.get(code, code.replace("_", " ").capitalize())


def lamp(state: str) -> str:
    """ok, wait, warn, stop or idle; a state nobody knows is a warning."""
    return LAMPS.get(state, "warn")


def outcome(text: str) -> str:
    """How an order ended: our own codes in words, of an answer of the exchange the last clause."""
    answer = _ANSWER.fullmatch(text)
    return answer[1].capitalize() if answer else in_words(rules_named(text))


def rules_named(text: str) -> str:
    """Names of limits within a sentence as people call them, and its dollars in cents where those are exact."""
    text = _RULE.sub(lambda found: RULES.get(found[0], found[0]), text)
    return _DOLLARS.sub(lambda found: exact(Decimal(found[1])), text)
