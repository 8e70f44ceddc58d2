"""Stopping: what can be chosen, what one press does, and how far its ladder has come."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.console.kill_progress import KillProgress, kill_progress
from apps.risk.guardian import heartbeat
from apps.risk.models import KillRun, Theme, TradingState
from tests import factories as make

pytestmark = pytest.mark.django_db
NOW = make.NOW
NOW_MS = int(NOW.timestamp() * 1000)
TICKER = "KXTEST-26NOV20-T50"


def at(ms: int) -> datetime:
    return NOW + timedelta(milliseconds=ms)


def step(ms: int, name: str, text: str = "", **detail: Any) -> dict[str, Any]:
    return {"at": at(ms).isoformat(timespec="milliseconds"), "step": name, "text": text or name, **detail}


def kill_run(**fields: Any) -> KillRun:
    return KillRun.objects.create(
        **({"scope": "global", "reason": "drill", "pressed_at": NOW, "blocked_at": NOW} | fields)
    )


def progress(run: KillRun) -> KillProgress:
    return kill_progress(run, now=at(1_000))


def states(run: KillRun) -> list[str]:
    return [rung.state for rung in progress(run).rungs]


def kill_page(client: Client, **query: str) -> str:
    response = client.get(reverse("console:kill"), query)
    assert response.status_code == 200
    return response.content.decode()


def test_every_scope_is_offered_with_what_rests_in_it(viewer: Client) -> None:
    run = make.session()
    make.order(run)
    make.order(run, side="ask")
    make.order(run, status="filled", remaining=0)
    make.order(run, market=make.market("KXTEST-26NOV20-T60"))
    make.position(run.account, market=make.market("KXHELD-1"))
    Theme.objects.create(slug="weather", name="Weather", members=["KXTEST"], updated_at=NOW)
    Theme.objects.create(slug="other", name="Other", members=["KXOTHER"], updated_at=NOW)
    html = kill_page(viewer)
    for value, shown in {
        "global:": "Everything, on all accounts · 3 resting",
        "account:main": "Account main · 3 resting",
        "strategy:maker-inside": "Strategy maker-inside · 3 resting",
        "theme:weather": "Theme weather · 3 resting",
        "theme:other": "Theme other · 0 resting",
        "series:KXTEST": "Series KXTEST · 3 resting",
        "event:KXTEST-26NOV20": "Event KXTEST-26NOV20 · 3 resting",
        f"market:{TICKER}": f"Market {TICKER} · 2 resting",
        "market:KXHELD-1": "Market KXHELD-1 · 0 resting",
    }.items():
        assert f'value="{value}"' in html, value
        assert shown in html, shown
    assert "orders of ours rest in all" in html


@pytest.mark.parametrize(
    ("asked", "value"),
    [("kxtest", "series:KXTEST"), ("KXTEST-26NOV20", "event:KXTEST-26NOV20"), (TICKER, f"market:{TICKER}")],
)
def test_what_is_not_in_the_list_can_be_put_there_by_its_ticker(viewer: Client, asked: str, value: str) -> None:
    make.market()
    assert f'value="{value}" selected' in kill_page(viewer, target=asked)


def test_a_ticker_nobody_knows_is_said_and_everything_stays_chosen(viewer: Client) -> None:
    html = kill_page(viewer, target="KXNONE")
    assert "knows no market, event or series KXNONE" in html
    assert 'value="global:" selected' in html


@pytest.mark.parametrize("target", ["series:KXGONE", "theme:crypto", "environment:demo", "category:Crypto"])
def test_a_stop_is_not_refused_for_being_out_of_the_list(viewer: Client, target: str) -> None:
    assert viewer.post(reverse("console:kill"), {"target": target, "reason": ""}).status_code == 302
    row = TradingState.objects.get()
    assert f"{row.scope}:{row.scope_id}" == target


@pytest.mark.parametrize("target", ["planet:mars", "market:", "global:x", "market", ""])
def test_a_bad_target_is_shown_again_and_nothing_happens(viewer: Client, target: str) -> None:
    response = viewer.post(reverse("console:kill"), {"target": target, "reason": "x"})
    assert response.status_code == 422
    assert not KillRun.objects.exists()


def test_without_the_right_to_stop_it_says_so(client: Client) -> None:
    client.force_login(make.user("frank"))
    response = client.post(reverse("console:kill"), {"target": "global:", "reason": "x"})
    assert response.status_code == 403
    assert "trip_kill_switch" in response.content.decode()


def test_the_stop_blocks_at_once_and_shows_how_far_it_has_come(viewer: Client) -> None:
    response = viewer.post(reverse("console:kill"), {"target": "global:", "reason": "runaway quotes"})
    run = KillRun.objects.get()
    assert response.headers["Location"] == reverse("console:kill-run", args=[run.pk])
    assert run.pressed_by is not None
    assert (run.reason, run.pressed_by.get_username()) == ("runaway quotes", "dave")
    assert TradingState.objects.get(scope="global").state == "halted"
    html = viewer.get(response.headers["Location"]).content.decode()
    assert 'hx-trigger="every 1s"' in html
    assert '<noscript><meta http-equiv="refresh"' in html
    assert f'ws-connect="/ws/kill/{run.pk}/"' in html


def test_without_a_guardian_the_pages_say_the_command(viewer: Client) -> None:
    assert "No guardian runs" in kill_page(viewer)
    run = kill_run(scope="market", scope_id=TICKER)
    assert "manage.py kill --scope market --scope-id" in progress(run).command
    assert "No guardian runs" in progress(run).trouble
    heartbeat.guardian_beat(NOW_MS)
    assert "No guardian runs" not in kill_page(viewer)
    assert not kill_progress(run, now=at(1_000)).trouble


def test_a_guardian_that_fell_silent_counts_as_none(viewer: Client) -> None:
    heartbeat.guardian_beat(NOW_MS - 5_001)
    assert "No guardian runs" in kill_page(viewer)


def test_a_guardian_that_does_not_take_it_up_is_trouble(viewer: Client) -> None:
    run = kill_run()
    heartbeat.guardian_beat(NOW_MS + 3_500)
    assert not kill_progress(run, now=at(2_900)).trouble
    assert "has not taken this stop up" in kill_progress(run, now=at(3_500)).trouble
    run.steps = [step(3_000, "begun")]
    assert not kill_progress(run, now=at(3_500)).trouble


LADDER = [
    step(40, "begun", "ladder begun for Everything"),
    step(90, "look", "7 orders rest", resting=7),
    step(200, "triggered", "2 of 2 order groups triggered", groups=2, triggered=2),
    step(300, "look", "0 orders rest", resting=0),
    step(350, "proved_zero", "zero resting orders, seen twice"),
    step(1_400, "ended", "ended, zero proved", is_zero=True),
]
BEGUN = {"cancel_sent_at": at(40)}
TRIGGERED = BEGUN | {"triggered_at": at(200), "groups_total": 2, "groups_triggered": 2}


@pytest.mark.parametrize(
    ("steps", "fields", "expected"),
    [
        (0, {}, ["done", "now", "wait", "wait", "wait", "wait", "wait"]),
        (2, BEGUN, ["done", "done", "now", "now", "wait", "wait", "wait"]),
        (3, TRIGGERED, ["done", "done", "done", "now", "wait", "wait", "wait"]),
        (4, TRIGGERED, ["done", "done", "done", "done", "done", "now", "wait"]),
        (5, TRIGGERED | {"proved_zero_at": at(350)}, ["done", "done", "done", "done", "done", "done", "now"]),
    ],
)
def test_every_rung_is_shown_as_it_is_climbed(steps: int, fields: dict[str, Any], expected: list[str]) -> None:
    assert states(kill_run(steps=LADDER[:steps], **fields)) == expected


def test_a_group_that_was_not_triggered_is_not_shown_as_done() -> None:
    run = kill_run(steps=LADDER[:3], **TRIGGERED | {"groups_triggered": 1})
    groups = progress(run).rungs[2]
    assert (groups.state, groups.text) == ("now", "1 of 2")


def test_the_look_after_the_proof_confirms_and_moves_no_rung() -> None:
    third = [*LADDER[:5], step(1_350, "look", "0 orders rest", resting=0), LADDER[5]]
    run = kill_run(
        steps=third, outcome="proved_zero", proved_zero_at=at(350), resting_before=7, canceled=7, **TRIGGERED
    )
    times = [rung.after_ms for rung in progress(run).rungs]
    assert times == [0, 40, 200, 300, 300, 350, 1_400]


def test_orders_that_turn_up_after_the_proof_take_it_back() -> None:
    steps = [*LADDER[:5], step(1_350, "look", resting=1), step(1_360, "reopened", resting=1)]
    assert states(kill_run(steps=steps, **TRIGGERED))[3:] == ["now", "wait", "wait", "wait"]


def test_a_narrow_stop_says_why_it_triggers_no_group() -> None:
    groups = progress(kill_run(scope="market", scope_id=TICKER)).rungs[2]
    assert groups.state == "na"
    assert "outside this scope" in groups.text


def test_the_end_shows_proof_report_positions_and_stops_asking(viewer: Client) -> None:
    run = kill_run(
        steps=LADDER,
        **TRIGGERED,
        proved_zero_at=at(350),
        resting_before=7,
        canceled=7,
        outcome="proved_zero",
        positions_left=[{"ticker": TICKER, "quantity": "5.00"}],
        report="Zero resting orders, seen twice.\nPositions left: one.",
    )
    html = viewer.get(reverse("console:kill-run", args=[run.pk])).content.decode()
    for shown in (
        "7 of 7 gone",
        "2 of 2",
        "+350 ms",
        "Zero resting orders, seen twice.",
        "Positions left",
        "5.00",
        "ended, zero proved",
    ):
        assert shown in html, shown
    for absent in ("hx-trigger", "ws-connect", "http-equiv"):
        assert absent not in html, absent


def test_a_stop_that_is_not_proved_names_what_is_left_and_why(viewer: Client) -> None:
    run = kill_run(
        steps=LADDER[:3],
        outcome="blocked_only",
        report=f"NOT proved: 1 orders are known to rest.\n  {TICKER} o-1: exchange says no\nPositions left: none.",
    )
    html = viewer.get(reverse("console:kill-run", args=[run.pk])).content.decode()
    assert "not proved gone" in html
    assert "Not canceled, and why" in html
    assert f"<li>{TICKER} o-1: exchange says no</li>" in html
    assert progress(run).rungs[5].state == "not"
    assert progress(run).is_watched
    assert not kill_progress(run, now=NOW + timedelta(minutes=11)).is_watched


PAUSE = step(400, "exchange_paused", "the exchange is paused: cancelling is impossible until it resumes")


def test_a_pause_of_the_exchange_is_said_plainly_until_it_is_over(viewer: Client) -> None:
    run = kill_run(steps=[*LADDER[:3], PAUSE, step(500, "look", resting=7)])
    assert (
        "The exchange is paused: cancelling is impossible"
        in viewer.get(reverse("console:kill-run", args=[run.pk])).content.decode()
    )
    run.steps = [*run.steps, step(900, "look", resting=0)]
    assert progress(run).pause == ""


def test_what_the_ladder_publishes_is_shown_before_the_database_has_it(topics: dict[str, Any]) -> None:
    run = kill_run(steps=LADDER[:1])
    times = {"triggered_at": at(200).isoformat(), "cancel_sent_at": at(40).isoformat()}
    groups = {"groups_total": 2, "groups_triggered": 2}
    topics[f"kill.{run.pk}"] = {"id": run.pk, "outcome": "running", "steps": LADDER[:3]} | groups | times
    assert len(progress(run).steps) == 3
    assert progress(run).rungs[2].after_ms == 200


def test_a_press_is_found_by_its_request_too(topics: dict[str, Any]) -> None:
    run = kill_run(request_id="abc")
    topics["kill.abc"] = {"outcome": "running", "steps": LADDER[:2]}
    assert len(progress(run).steps) == 2


def test_an_older_word_of_the_ladder_does_not_win_over_the_database(topics: dict[str, Any]) -> None:
    run = kill_run(steps=LADDER, outcome="proved_zero", proved_zero_at=at(350), **TRIGGERED)
    topics[f"kill.{run.pk}"] = {"outcome": "running", "steps": LADDER[:2], "proved_zero_at": None}
    assert progress(run).is_proved
    assert len(progress(run).steps) == 6


@pytest.mark.parametrize(
    "bad", [{"steps": "x"}, {"steps": [{}]}, {"steps": [{"at": 5}]}, {"steps": LADDER, "triggered_at": 7}, {}]
)
def test_a_word_that_cannot_be_read_is_left_out(topics: dict[str, Any], bad: dict[str, Any]) -> None:
    run = kill_run(steps=LADDER[:1])
    topics[f"kill.{run.pk}"] = bad
    assert [line.name for line in progress(run).steps] == ["begun"]


def test_the_stop_page_holds_no_way_to_resume(viewer: Client) -> None:
    viewer.post(reverse("console:kill"), {"target": "global:", "reason": ""})
    html = kill_page(viewer)
    assert f'action="{reverse("console:resume")}"' not in html
    assert f'href="{reverse("console:resume")}"' in html
