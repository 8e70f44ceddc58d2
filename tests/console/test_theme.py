"""Both themes keep the contrast WCAG 2.2 AA asks for: 4.5:1 for text, 3:1 for what is only a shape."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings

SHEET = Path(settings.BASE_DIR) / "static/console/console.css"
PAIR = re.compile(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)")
GROUNDS = ("ground", "panel", "raised")
TEXT = [
    *((ink, ground) for ink in ("ink", "soft", "blue", "orange") for ground in GROUNDS),
    *((ink, wash) for ink in ("ink", "blue", "orange") for wash in ("blue-wash", "orange-wash")),
    ("soft", "blue-wash"),
    ("mine-ink", "mine"),
    ("panel", "blue"),
    ("panel", "orange"),
]
SHAPES = [("edge", "panel"), ("edge", "ground"), ("focus", "panel"), ("focus", "ground"), ("mine-ink", "panel")]


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.fixture(scope="module")
def tokens() -> list[dict[str, str]]:
    pairs = PAIR.findall(SHEET.read_text())
    return [{name: light for name, light, _ in pairs}, {name: dark for name, _, dark in pairs}]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back"), TEXT)
def test_text_can_be_read(tokens: list[dict[str, str]], theme: int, front: str, back: str) -> None:
    assert contrast(tokens[theme][front], tokens[theme][back]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back"), SHAPES)
def test_shapes_can_be_seen(tokens: list[dict[str, str]], theme: int, front: str, back: str) -> None:
    assert contrast(tokens[theme][front], tokens[theme][back]) >= 3


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_the_stop_button_can_be_read_and_seen(tokens: list[dict[str, str]], theme: int) -> None:
    assert contrast("#ffffff", tokens[theme]["stop"]) >= 4.5
    assert contrast(tokens[theme]["stop"], tokens[theme]["panel"]) >= 3


@pytest.mark.parametrize("ground", ["#36465a", "#0c5c5c", "#59399a", "#9a3d00"])
def test_every_environment_banner_can_be_read(ground: str) -> None:
    assert ground in SHEET.read_text()
    assert contrast("#ffffff", ground) >= 4.5
