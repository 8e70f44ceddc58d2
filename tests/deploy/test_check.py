"""The verdict of `deploy/up --check`: what passes, and everything that must not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from deploy.launcher.check import FIELDS, judge
from deploy.launcher.errors import LauncherError
from deploy.launcher.log_errors import scan
from deploy.launcher.platform_run import parse_sign_ins
from deploy.launcher.session_state import parse

GOOD: dict[str, Any] = {
    "markets": 2, "frames": 900, "seq_gaps": 0, "decisions": 300, "orders": 12, "denied": 0, "rejected": 0, "fills": 3,
    "contracts_filled": "12.00", "fees": "0.030000", "cash_start": "10000.000000", "cash_end": "9993.970000",
    "cash_drift": "0.000000", "resting_at_end": 0, "open_unknown": 0, "errors": 0,
}  # fmt: skip


def summary(**changes: Any) -> str:
    return "some note\n" + json.dumps(GOOD | changes) + "\n"


def test_clean_run_passes_with_exactly_the_agreed_fields() -> None:
    verdict = judge(summary(extra="ignored"), [])
    assert verdict.problems == ()
    assert tuple(verdict.summary) == FIELDS
    assert verdict.summary == GOOD


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cash_drift", "0.000001"),
        ("cash_drift", "-0.010000"),
        ("cash_drift", "NaN"),
        ("cash_drift", "unknown"),
        ("resting_at_end", 1),
        ("open_unknown", 1),
        ("errors", 2),
    ],
)
def test_anything_but_zero_fails(name: str, value: object) -> None:
    verdict = judge(summary(**{name: value}), [])
    assert verdict.problems
    assert verdict.summary[name] == value


@pytest.mark.parametrize("name", FIELDS)
def test_missing_figure_fails_and_is_null_not_zero(name: str) -> None:
    figures = {key: value for key, value in GOOD.items() if key != name}
    verdict = judge(json.dumps(figures), [])
    assert verdict.problems == (f"missing from the summary: {name}",)
    assert verdict.summary[name] == (0 if name == "errors" else None)


@pytest.mark.parametrize("printed", ["", "\n", "no json", "[1, 2]"])
def test_no_summary_fails(printed: str) -> None:
    verdict = judge(printed, [])
    assert verdict.problems == (f"missing from the summary: {', '.join(FIELDS)}",)
    assert verdict.summary["markets"] is None


def test_troubles_are_counted_beside_the_errors_of_the_session() -> None:
    verdict = judge(summary(errors=1), ["web ended unexpectedly", "trading: ERROR"])
    assert verdict.summary["errors"] == 3
    assert "web ended unexpectedly" in verdict.problems


LOG = """\
2026-05-13 14:00:00,123 INFO apps.trading started
2026-05-13 14:00:01,123 ERROR apps.trading it broke
Traceback (most recent call last):
  File "session.py", line 1, in <module>
ValueError: first

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
ValueError: second
2026-05-13 14:00:02,123 WARNING apps.trading ERROR is only a word here
[2026-05-13 14:00:03,000: CRITICAL/MainProcess] Unrecoverable
INFO:     Uvicorn running
ERROR:    Exception in ASGI application
12:M 13 May 2026 14:00:04.000 * Ready to accept connections
Traceback (most recent call last):
KeyError: 'printed by no logger'
"""


def test_each_incident_in_a_log_counts_once() -> None:
    assert scan(LOG) == [
        "2026-05-13 14:00:01,123 ERROR apps.trading it broke",
        "[2026-05-13 14:00:03,000: CRITICAL/MainProcess] Unrecoverable",
        "ERROR:    Exception in ASGI application",
        "Traceback (most recent call last):",
    ]


def test_sign_ins_are_those_of_new_people_only() -> None:
    people = [
        {"username": "craig", "role": "boss", "password": "abcd-efgh"},
        {"username": "cliff", "role": "operations", "password": None},
    ]
    assert parse_sign_ins("a note\n" + json.dumps({"people": people})) == [people[0]]
    with pytest.raises(LauncherError):
        parse_sign_ins("no people here")


def test_session_state_is_read_from_what_the_screens_read() -> None:
    session = {"state": "running", "reason": "", "started_at": "2026-05-13T14:00:00+00:00"}
    state = parse(json.dumps({"session": session}))
    assert state is not None
    assert (state.state, state.started_at) == ("running", datetime(2026, 5, 13, 14, tzinfo=UTC))
    assert parse(json.dumps({"session": None})) is not None
