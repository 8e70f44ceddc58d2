"""The case of February 2026, number by number."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User

from apps.core.exceptions import Refused
from apps.governance.models import AuditEvent, RedesignProposal, WorkItem
from apps.governance.proposal_selectors import comparison, option_list, slot_list, slots_missing
from apps.governance.services.proposals_demo import redesign_case_load
from tests.factories import NOW

pytestmark = pytest.mark.django_db


def test_the_figures_are_those_of_the_record(case: RedesignProposal) -> None:
    assert [(one["name"], one["value"], one["unit"]) for one in case.baseline] == [
        ("Orders placed", "7822", "orders"),
        ("Orders filled", "0", "orders"),
        ("Orders that failed", "100", "%"),
        ("Loss", "77.99", "$"),
        ("Capital lost", "99.99", "%"),
    ]
    assert len(case.causes) == 8
    # 2026-02-25 00:02 PST
    assert case.dated_at == datetime(2026, 2, 25, 8, 2, tzinfo=UTC)
    assert (case.author.get_username(), case.status) == ("cliff", "evidence")


def test_the_options_change_exactly_these_parameters(case: RedesignProposal) -> None:
    changes = {
        option.key: [(one["name"], one["old"], one["new"], one["unit"]) for one in option.changes]
        for option in case.options.all()
    }
    assert changes == {
        "A": [("MM_GAMMA_WEATHER", "0.4", "0.2", "risk aversion"), ("MM_MIN_SPREAD_CENTS", "2", "1", "cents")],
        "B": [("ENABLE_MARKET_MAKING", "on", "off", "flag")],
        "C": [],
        "D": [("MAX_POSITION_PER_MARKET", "30", "5", "contracts"), ("KELLY_FRACTION", "0.25", "0.1", "share")],
    }
    assert {option.key: option.trade_off for option in case.options.all()} == {
        "A": "Less profit per fill, more turnover of capital",
        "B": "Fewer orders, higher variance",
        "C": "More complex, harder to debug",
        "D": "Lower absolute profit",
    }


def test_all_evidence_is_asked_for_and_none_is_there(case: RedesignProposal) -> None:
    slots = slot_list(case)
    assert [(slot.key, slot.owner.get_username() if slot.owner else None) for slot in slots] == [
        ("liquidity", "scalper"),
        ("depth", "scalper"),
        ("fill-rate", "scalper"),
        ("sizing", "scalper"),
        ("alternatives", "scalper"),
        ("scenario-matrix", "cliff"),
    ]
    assert slots_missing(case, slots, option_list(case)) == slots


def test_no_option_has_a_result_yet(case: RedesignProposal) -> None:
    rows = comparison(case, option_list(case))
    assert len(rows) == 6
    assert all(cell.result is None and cell.at is None for row in rows for cell in row.cells)
    assert all(row.zero is None for row in rows)


def test_the_tracking_table_has_its_times_owners_and_order(case: RedesignProposal) -> None:
    work = {item.title: item for item in WorkItem.objects.all()}
    assert [
        (
            title,
            f"{item.due_at:%Y-%m-%d %H:%M}",
            sorted(owner.get_username() for owner in item.owners.all()),
            item.status,
            sorted(one.title for one in item.depends_on.all()),
        )
        for title, item in work.items()
    ] == [
        ("Market analysis", "2026-02-25 09:02", ["scalper"], "doing", []),
        ("Parameter optimization", "2026-02-25 11:02", ["cliff"], "waiting", ["Market analysis"]),
        ("Strategy decision", "2026-02-25 11:02", ["craig"], "todo", ["Market analysis", "Parameter optimization"]),
        ("Implementation", "2026-02-25 14:02", ["cliff", "scalper"], "todo", ["Strategy decision"]),
        ("Testing", "2026-02-25 20:02", ["scalper"], "todo", ["Implementation"]),
        ("Restart V8", "2026-02-26 02:02", ["scalper"], "todo", ["Testing"]),
        ("Watch live results", "2026-03-04 08:02", ["cliff", "scalper"], "todo", ["Restart V8"]),
        ("Adjust parameters from fill rates", "2026-03-04 08:02", ["scalper"], "todo", ["Watch live results"]),
        ("Document what works", "2026-03-04 08:02", ["cliff"], "todo", ["Watch live results"]),
    ]


def test_loading_it_again_changes_nothing(case: RedesignProposal) -> None:
    rows = AuditEvent.objects.count()
    assert redesign_case_load(environment="demo", now=NOW) is None
    assert (RedesignProposal.objects.count(), AuditEvent.objects.count()) == (1, rows)


@pytest.mark.parametrize("environment", ["live", "paper", ""])
def test_it_is_loaded_nowhere_else(team: dict[str, User], environment: str) -> None:
    with pytest.raises(Refused, match="Demo data"):
        redesign_case_load(environment=environment, now=NOW)
    assert not RedesignProposal.objects.exists()


def test_it_needs_its_people(db: None) -> None:
    with pytest.raises(Refused, match="cliff, craig, scalper"):
        redesign_case_load(environment="simulated", now=NOW)
