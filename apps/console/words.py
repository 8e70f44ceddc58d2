"""Codes of the platform in plain words, for the screen."""

from __future__ import annotations

import re

REASONS = {
    "joined_inside": "Quoting one tick inside",
    "keep": "Keeping what rests",
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
}
QUOTING = frozenset({"joined_inside", "keep"})

REQUESTS = {
    "trading.parameters.change": "Change parameters",
    "risk.resume": "Resume trading",
    "risk.limit.change": "Change a limit",
}

_CODE = re.compile(r"[a-z0-9_]+")
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
    return answer[1].capitalize() if answer else in_words(text)
