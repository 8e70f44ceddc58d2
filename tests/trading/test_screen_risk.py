"""What the session publishes of its tree of limits and of what guards it."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from apps.console.risk_state import FULL, Tree, tree_of
from apps.core import live
from apps.engine.limits import Limit, LimitRule
from apps.engine.portfolio import Position
from apps.engine.ports import VenueStatus
from apps.engine.types import Side
from apps.trading.execution import screen_risk
from apps.trading.execution.incidents import Incidents
from apps.trading.execution.screen import _exchange, _gate
from apps.trading.execution.screen_risk import risk
from apps.trading.execution.show import Show

from .test_risk_view import ACCOUNT, DOLLAR, ROOT, THEME, Stage

RATE = Limit(LimitRule.MAX_ORDERS_PER_MINUTE, ACCOUNT, 10)
SHARE = Limit(LimitRule.MAX_NAV_SHARE, THEME, 150_000)


def tree(stage: Stage) -> Tree:
    """As the page reads it: whatever the session publishes has to be understood there."""
    return tree_of(risk(stage.context, stage.risk))


def rules(stage: Stage, level: str) -> dict[str, Any]:
    node = next(node for node in tree(stage).nodes if node.level == level)
    return {rule.rule: rule for rule in node.rules}


def test_each_node_stands_once_from_the_root_down() -> None:
    stage = Stage()
    stage.desk("KXA")
    stage.desk("KXB")
    nodes = [(node.level, node.id, node.depth) for node in tree(stage).nodes]
    assert nodes == [
        ("global", "", 0),
        ("environment", "simulated", 1),
        ("account", "main", 2),
        ("theme", "crypto", 3),
        ("market", "KXA", 4),
        ("market", "KXB", 4),
    ]


def test_use_limit_room_and_share_of_every_measured_rule() -> None:
    stage = Stage(RATE, SHARE, positions=(Position("KXA", 1_000, 400 * DOLLAR),))
    desk = stage.desk("KXA")
    assert stage.judge(desk, Side.ASK, quantity=100).allowed
    account = rules(stage, "account")
    dollars = account["max_total_exposure"]
    assert (dollars.used, dollars.limit, dollars.room) == (Decimal(400), Decimal(10_000), Decimal(9_600))
    assert dollars.ppm == 40_000
    rate = account["max_orders_per_minute"]
    assert (rate.used, rate.limit, rate.ppm) == (1, 10, 100_000)
    share = rules(stage, "theme")["max_nav_share"]
    assert (share.limit, share.unit) == (Decimal(15), "share")
    assert share.used is not None
    assert share.used > 15
    assert share.is_broken
    most = rules(stage, "market")["max_contracts_per_market"]
    assert (most.used, most.limit) == (Decimal(10), Decimal(100))


def test_rules_for_single_orders_have_a_limit_and_no_use() -> None:
    stage = Stage()
    stage.desk("KXA")
    each = rules(stage, "account")["max_order_dollars"]
    assert (each.limit, each.used, each.ppm) == (Decimal(500), None, None)


def test_a_share_of_nothing_is_broken_and_has_no_number() -> None:
    stage = Stage(SHARE, cash=0, positions=(Position("KXA", 1_000, 4 * DOLLAR),))
    stage.desk("KXA")
    share = rules(stage, "theme")["max_nav_share"]
    assert (share.used, share.ppm) == (None, FULL + 1)


def test_more_nodes_than_fit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen_risk, "MOST_NODES", 5)
    stage = Stage()
    stage.desk("KXA")
    stage.desk("KXB")
    assert (len(tree(stage).nodes), tree(stage).left_out) == (5, 1)


def test_a_limit_on_everything_stands_at_the_root() -> None:
    stage = Stage(Limit(LimitRule.MAX_CONTRACTS, ROOT, 5_000))
    stage.desk("KXA")
    assert rules(stage, "global")["max_contracts"].limit == Decimal(50)


async def test_the_tree_is_published_once_a_second_beside_mission_control(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, published = Stage(), []

    async def keep(client: object, topics: dict[str, Any], *, nudge: str) -> None:
        published.append(set(topics))

    monkeypatch.setattr(live, "apublish", keep)
    monkeypatch.setattr("apps.trading.execution.show.mission", lambda context: {})
    show = Show(stage.context, cast(Incidents, None), cast(Any, object()), stage.risk)
    for _ in range(3):
        await show.publish()
        stage.clock.advance(0.5)
    assert published == [{"mission", "risk"}, {"mission"}, {"mission", "risk"}]


def test_the_gate_tells_every_reason() -> None:
    stage = Stage()
    stage.context.gate.block("venue", "records cannot be read")
    told = _gate(stage.context)
    assert told["blocks"] == [{"key": "venue", "reason": "records cannot be read"}]
    assert told["closed_because"] == stage.context.gate.closed_because()


def test_the_exchange_is_told_as_it_answered() -> None:
    stage = Stage()
    assert _exchange(stage.context) is None
    stage.context.exchange = cast(
        VenueStatus, SimpleNamespace(is_exchange_active=False, is_trading_active=None, resumes_at_ms=1_795_176_000_000)
    )
    assert _exchange(stage.context) == {
        "is_exchange_active": False,
        "is_trading_active": None,
        "resumes_at": "2026-11-20T12:00:00+00:00",
    }
