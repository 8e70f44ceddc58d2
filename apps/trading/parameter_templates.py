"""Sets of changes that are ready to be proposed: the four directions of the redesign of 2026-02-25."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Template:
    """`changes` by catalog name or kernel field, as people write them; what is not named stays as it is."""

    key: str
    title: str
    summary: str
    changes: Mapping[str, str]


TEMPLATES = {
    template.key: template
    for template in (
        Template(
            "A",
            "Tighter market making",
            "Lower spread for more fills: less profit per fill, more capital turnover",
            {"MM_GAMMA_WEATHER": "0.2", "MM_MIN_SPREAD_CENTS": "1"},
        ),
        Template(
            "B",
            "Snipe only",
            "Trade only when the model is confident: fewer orders, higher variance",
            {"ENABLE_MARKET_MAKING": "off"},
        ),
        Template(
            "C",
            "Hybrid",
            "Rest quotes in most markets, take in a fifth of them: more complex, harder to debug",
            {"execution_mode": "hybrid", "MAKER_SHARE_ROLLOUT": "80"},
        ),
        Template(
            "D",
            "Smaller size",
            "Less slippage and better fills: lower absolute profit",
            {"MAX_POSITION_PER_MARKET": "5", "KELLY_FRACTION": "0.10"},
        ),
    )
}
