"""The automatic stops on their page: state, input, drill, and what keeps trading from arming."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from apps.console.switch_lines import SwitchLine, switch_lines
from apps.engine.switches.catalogue import SWITCHES
from apps.risk.models import SwitchDrill, SwitchSetting, SwitchStatus
from apps.risk.services.switches import switch_drills_run
from tests import factories as make

pytestmark = pytest.mark.django_db
NOW = make.NOW


@pytest.fixture(autouse=True)
def drilled() -> None:
    make.account()
    switch_drills_run(by="system:test", now=NOW - timedelta(days=2))


def status(key: str = "K1", **fields: Any) -> SwitchStatus:
    values = {"state": "ok", "value": "1.20 %", "threshold": "10.00 %", "message": "the day's loss is 1.20 %"}
    times = {"input_at": NOW - timedelta(seconds=2), "evaluated_at": NOW - timedelta(seconds=1)}
    return SwitchStatus.objects.create(account="main", key=key, **(values | times | fields))


def line(key: str = "K1", **later: float) -> SwitchLine:
    found = switch_lines(account=make.account(), now=NOW + timedelta(**later))
    return next(line for line in found if line.row.switch.key == key)


def switches_page(client: Client) -> str:
    response = client.get(reverse("console:switches"))
    assert response.status_code == 200
    return response.content.decode()


def row_of(html: str, key: str) -> str:
    return html.split(f'id="{key}"')[1].split("</tr>")[0]


def test_every_switch_of_the_catalogue_has_its_row(viewer: Client) -> None:
    html = switches_page(viewer)
    for key, switch in SWITCHES.items():
        assert switch.title in row_of(html, key)


def test_a_good_one_shows_value_threshold_input_window_action_reset_and_drill(viewer: Client) -> None:
    status()
    row = row_of(switches_page(viewer), "K1")
    for shown in (
        '<span class="lamp ok">OK</span>',
        "1.20 %",
        "10.00 %",
        "2 s",
        "NAV from own cash",
        "over trading day",
        "trip 10.00 %",
        "Halts trading",
        "Two people resume",
        '<span class="lamp ok">passed</span>',
        "2 d 0 h",
    ):
        assert shown in row, shown
    assert "blocks arming" not in row


def test_no_input_is_red_and_says_that_it_blocks(viewer: Client) -> None:
    status(state="no_input", input_at=None, message="nothing delivers its input")
    row = row_of(switches_page(viewer), "K1")
    assert '<span class="lamp stop">No input</span>' in row
    assert "blocks arming" in row


def test_one_that_was_never_judged_is_no_input(viewer: Client) -> None:
    row = row_of(switches_page(viewer), "K1")
    assert '<span class="lamp stop">No input</span>' in row
    assert "No session has judged it yet" in row
    assert "blocks arming" in row


def test_an_ok_that_nobody_renews_proves_nothing(viewer: Client) -> None:
    status()
    assert (line(seconds=14).state, line(seconds=14).blocks_arming) == ("ok", False)
    assert (line(seconds=15).state, line(seconds=15).blocks_arming) == ("no_input", True)
    assert "it last said" in line(seconds=15).message


def test_a_tripped_one_stays_tripped_when_the_session_is_silent() -> None:
    status(state="tripped", tripped_at=NOW)
    assert line(seconds=60).state == "tripped"


def test_the_stored_stop_does_not_block_by_being_silent() -> None:
    assert not line("KM").blocks_arming


def test_an_overdue_drill_blocks_whatever_the_switch_says() -> None:
    status(evaluated_at=NOW + timedelta(days=28))
    assert not line(days=27).blocks_arming
    assert line(days=28, seconds=1).state == "ok"
    assert line(days=28, seconds=1).blocks_arming


def test_one_that_was_never_drilled_or_failed_blocks_and_says_so(
    viewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    status()
    SwitchDrill.objects.create(key="K1", at=NOW, passed=False, trip_detail="ok", control_detail="ok", by="cliff")
    row = row_of(switches_page(viewer), "K1")
    assert '<span class="lamp stop">failed</span>' in row
    assert "blocks arming" in row
    monkeypatch.setattr("apps.risk.services.switches.drills_newest", dict)
    row = row_of(switches_page(viewer), "K1")
    assert '<span class="lamp stop">never drilled</span>' in row
    assert "blocks arming" in row


def test_thresholds_that_cannot_be_used_are_said(viewer: Client) -> None:
    SwitchSetting.objects.create(key="K1", values={"trip_bps": -1}, updated_at=NOW)
    assert "the stored thresholds cannot be used" in row_of(switches_page(viewer), "K1")


def test_the_input_ages_by_its_own_bound_and_the_pace_of_storing() -> None:
    status("K6")
    assert line("K6").bound_s == line("K6").max_age_s + 6 == 11


def test_thresholds_in_force_are_shown_not_the_catalogues(viewer: Client) -> None:
    SwitchSetting.objects.create(key="K1", values={"trip_bps": 700}, updated_at=NOW)
    assert "trip 7.00 %" in row_of(switches_page(viewer), "K1")


def test_an_automatic_reset_says_when(viewer: Client) -> None:
    assert "By itself after 10 s of good input" in row_of(switches_page(viewer), "K5")


def test_queries_do_not_grow_with_switches(viewer: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for key in SWITCHES:
        status(key)
    with django_assert_num_queries(11):
        switches_page(viewer)
