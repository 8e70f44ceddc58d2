"""The tree of limits: what binds, how much is left, and what is shown when nobody tells."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from apps.console.live_state import UnreadableState
from apps.console.risk_state import risk_build, tree_of
from apps.risk.models import RestrictedMarket, RiskLimit, SwitchSetting, TradingState
from tests import factories as make

from . import payload

pytestmark = pytest.mark.django_db
NOW = make.NOW


def risk_page(client: Client, **query: str) -> str:
    response = client.get(reverse("console:risk"), query)
    assert response.status_code == 200
    return response.content.decode()


def limit(rule: str = "max_total_exposure", value: str = "2000", **fields: Any) -> RiskLimit:
    scope = {"scope": "account", "scope_id": "main", "updated_at": NOW}
    return RiskLimit.objects.create(rule=rule, value=Decimal(value), **(scope | fields))


def test_each_node_shows_use_limit_and_room_and_what_binds_first(viewer: Client, topics: dict[str, Any]) -> None:
    make.account()
    topics["risk"] = payload.risk()
    html = risk_page(viewer)
    for shown in (
        "Binds first: <b>dollars at risk as a share of net asset value</b> of <b>Theme crypto</b>",
        "14.40 %",
        "15.00 %",
        "0.60 %",
        "$2,000.00",
        "$1,880.00",
        "30.00",
        "each order",
        "96.0 %",
        "$833.33",
    ):
        assert shown in html, shown
    assert "No live use" not in html
    assert "broken" not in html


def test_bars_reach_as_far_as_the_use_and_are_marked_where_it_warns_and_stops(
    viewer: Client, topics: dict[str, Any]
) -> None:
    make.account()
    topics["risk"] = payload.risk()
    html = risk_page(viewer)
    assert '<rect class="near" x="0" y="2" width="96"' in html
    assert '<rect class="fill" x="0" y="2" width="6"' in html
    assert '<rect class="warn" x="95"' in html
    assert '<rect class="halt" x="100"' in html


def test_the_mark_of_the_warning_is_the_switchs_own(topics: dict[str, Any]) -> None:
    assert risk_build(account=None, with_quiet=True).warn_percent == 95
    SwitchSetting.objects.create(key="K16", values={"warn_bps": 8000}, updated_at=NOW)
    assert risk_build(account=None, with_quiet=True).warn_percent == 80
    SwitchSetting.objects.update(values={"warn_bps": -1})
    assert risk_build(account=None, with_quiet=True).warn_percent == 95


@pytest.mark.parametrize(("used", "ppm"), [("2000.000001", 1_000_001), (None, 1_000_001)])
def test_a_broken_limit_is_said_first(viewer: Client, topics: dict[str, Any], used: str | None, ppm: int) -> None:
    make.account()
    over = payload.rule("max_total_exposure", "money", "2000.000000", used, None if used is None else "0.000000", ppm)
    topics["risk"] = payload.risk(nodes=[payload.node("account", "main", 0, over)])
    html = risk_page(viewer)
    assert "1 limit broken" in html
    assert 'class="over"' in html


def test_exactly_at_a_limit_is_not_broken() -> None:
    full = payload.rule("max_total_exposure", "money", "2000.000000", "2000.000000", "0.000000", 1_000_000)
    assert tree_of(payload.risk(nodes=[payload.node("account", "main", 0, full)])).broken == 0


def test_markets_without_use_are_counted_and_a_click_away(viewer: Client, topics: dict[str, Any]) -> None:
    make.account()
    topics["risk"] = payload.risk()
    assert payload.QUIET not in risk_page(viewer)
    assert "Show 1 event" in risk_page(viewer)
    assert payload.QUIET in risk_page(viewer, all="on")


def test_a_market_with_orders_in_the_last_minute_is_not_quiet() -> None:
    sending = payload.node("market", payload.QUIET, 4, dollars="0.000000", contracts="0.00", orders=1)
    assert tree_of(payload.risk(nodes=[sending]), with_quiet=False).quiet == 0


def test_without_a_session_the_stored_limits_are_shown_and_it_says_so(viewer: Client) -> None:
    make.account()
    row = limit()
    limit("max_nav_share", "0.15", scope="theme", scope_id="*")
    html = risk_page(viewer)
    for shown in ("No live use", "$2,000.00", "Each theme", "15.00 %", f"/admin/risk/risklimit/{row.pk}/change/"):
        assert shown in html, shown
    assert 'id="tree"' not in html


def test_old_use_is_marked_stale(viewer: Client, topics: dict[str, Any]) -> None:
    make.account()
    topics["risk"] = payload.risk()
    with time_machine.travel(NOW + timedelta(seconds=9), tick=False):
        html = risk_page(viewer)
    assert "stale since 12:00:00Z, 9 s" in html
    assert 'id="tree" class="panel is-stale"' in html


def test_another_accounts_use_is_not_shown_as_this_ones(viewer: Client, topics: dict[str, Any]) -> None:
    make.account()
    topics["risk"] = payload.risk(account="second")
    assert "The live use is of account second" in risk_page(viewer)


@pytest.mark.parametrize(
    "broken", [{"nodes": [{}]}, {"nodes": 5}, {"at": None}, {"nav": "NaN"}, {"nodes_left_out": None}]
)
def test_a_tree_that_cannot_be_read_is_not_half_shown(
    viewer: Client, topics: dict[str, Any], broken: dict[str, Any]
) -> None:
    with pytest.raises(UnreadableState):
        tree_of(payload.risk(**broken))
    topics["risk"] = payload.risk(**broken)
    assert "could not be read" in risk_page(viewer)


def test_a_share_that_is_no_integer_is_refused() -> None:
    bad = payload.rule("max_contracts", "quantity", "1.00", "0.50", "0.50", 0.5)  # type: ignore[arg-type]
    with pytest.raises(UnreadableState):
        tree_of(payload.risk(nodes=[payload.node("account", "main", 0, bad)]))


def test_states_and_restrictions_stand_below(viewer: Client) -> None:
    TradingState.objects.create(
        scope="theme", scope_id="crypto", state="reducing", reason="too much at once", changed_at=NOW
    )
    RestrictedMarket.objects.create(scope="series", scope_id="KXFED", reason="works there", added_at=NOW)
    RestrictedMarket.objects.create(scope="series", scope_id="KXOLD", reason="gone", added_at=NOW, lifted_at=NOW)
    html = risk_page(viewer)
    for shown in ("Theme crypto", "too much at once", "Series KXFED", "the firm"):
        assert shown in html, shown
    assert "KXOLD" not in html


def test_htmx_gets_the_body_alone(viewer: Client) -> None:
    html = viewer.get(reverse("console:risk"), headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in html
    assert "Limits as stored" in html
