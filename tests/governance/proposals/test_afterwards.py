"""After the decision: the fallback, the watch window, the end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from apps.core.exceptions import NotPermitted, Refused
from apps.governance.models import AuditEvent, FallbackSwitch, RedesignProposal, ReviewItem, SystemEvent
from apps.governance.proposal_content import WatchLine
from apps.governance.proposal_selectors import decision_in_force
from apps.governance.services.proposals import proposal_close
from apps.governance.services.proposals_decision import fallback_activate
from apps.governance.services.proposals_watch import watch_measure, watch_start
from apps.governance.services.work_items import work_item_change
from tests.factories import NOW

from .steps import WHY, ask, choose, fill

pytestmark = pytest.mark.django_db
Team = dict[str, User]
END = NOW + timedelta(days=7)
FORECAST = [WatchLine("Fill rate", "%", "12"), WatchLine("Net result", "$ per day", "1.50")]


@pytest.fixture
def decided(case: RedesignProposal, team: Team) -> RedesignProposal:
    """B first, D to fall back on."""
    fill(case, team["scalper"])
    ask(case, team["scalper"])
    choose(case, team["craig"])
    case.refresh_from_db()
    return case


def switch(proposal: RedesignProposal, actor: User) -> FallbackSwitch:
    return fallback_activate(proposal_id=proposal.pk, reason=WHY, actor=actor, now=NOW)


def watch(proposal: RedesignProposal, actor: User, lines: list[WatchLine] | None = None, **fields: object) -> None:
    given = {"until": END} | fields
    watch_start(
        proposal_id=proposal.pk, lines=FORECAST if lines is None else lines, reason=WHY, actor=actor, now=NOW, **given
    )  # type: ignore[arg-type]


def measure(proposal: RedesignProposal, actor: User, *actuals: str | None) -> None:
    watch_measure(proposal_id=proposal.pk, actuals=actuals, reason=WHY, actor=actor, now=NOW)


def test_one_person_switches_to_the_fallback_and_another_reviews_it(decided: RedesignProposal, team: Team) -> None:
    made = switch(decided, team["scalper"])
    assert (made.switched_by, made.decision) == (team["scalper"], decision_in_force(decided))
    said = AuditEvent.objects.get(action="proposal.fallback.activate")
    assert (said.before, said.after, said.reason) == ({"direction": "B"}, {"direction": "D"}, WHY)
    review = ReviewItem.objects.get(kind="fallback")
    assert (review.opened_by, review.object_id) == (team["scalper"], str(decided.pk))
    assert SystemEvent.objects.get(code="FALLBACK_ACTIVATED").severity == "warning"
    with pytest.raises(Refused, match="already"):
        switch(decided, team["cliff"])


def test_there_is_no_fallback_before_a_decision(case: RedesignProposal, team: Team) -> None:
    with pytest.raises(Refused):
        switch(case, team["scalper"])
    assert not FallbackSwitch.objects.exists()


def test_switching_takes_the_right_and_a_reason(decided: RedesignProposal, team: Team) -> None:
    with pytest.raises(NotPermitted):
        switch(decided, team["viewer"])
    with pytest.raises(Refused):
        fallback_activate(proposal_id=decided.pk, reason="now", actor=team["scalper"], now=NOW)
    assert not FallbackSwitch.objects.exists()


def test_the_forecast_is_written_down_before_anything_is_measured(decided: RedesignProposal, team: Team) -> None:
    watch(decided, team["cliff"])
    decided.refresh_from_db()
    assert (decided.status, decided.watch_from, decided.watch_until) == ("watching", NOW, END)
    assert [line["actual"] for line in decided.watch] == [None, None]
    with pytest.raises(Refused):
        watch(decided, team["cliff"])


@pytest.mark.parametrize(
    ("lines", "until"),
    [
        ([], END),
        (FORECAST, NOW),
        ([WatchLine("Fill rate", "%", "a lot")], END),
        ([WatchLine("Fill rate", "%", "12", "14")], END),
    ],
    ids=["none", "past", "words", "measured"],
)
def test_a_window_that_could_prove_nothing_is_refused(
    decided: RedesignProposal, team: Team, lines: list[WatchLine], until: object
) -> None:
    with pytest.raises(Refused):
        watch(decided, team["cliff"], lines, until=until)
    decided.refresh_from_db()
    assert decided.status == "implementing"


def test_what_is_measured_stands_beside_its_forecast(decided: RedesignProposal, team: Team) -> None:
    watch(decided, team["cliff"])
    measure(decided, team["scalper"], "9.5", None)
    measure(decided, team["scalper"], None, "-0.25")
    decided.refresh_from_db()
    assert [(line["forecast"], line["actual"]) for line in decided.watch] == [("12", "9.5"), ("1.50", "-0.25")]
    assert AuditEvent.objects.filter(action="proposal.watch.measure").count() == 2
    for wrong in (("1",), ("", "2"), ("x", "2"), ("NaN", None)):
        with pytest.raises(Refused):
            measure(decided, team["scalper"], *wrong)
    with pytest.raises(NotPermitted):
        measure(decided, team["viewer"], "1", "2")


def test_it_closes_with_an_outcome(decided: RedesignProposal, team: Team) -> None:
    for item in decided.work_items.all():
        work_item_change(item_id=item.pk, status="dropped", reason=WHY, actor=team["cliff"], now=NOW)
    with pytest.raises(Refused, match="implementing"):
        proposal_close(proposal_id=decided.pk, outcome="It worked well", actor=team["cliff"], now=NOW)
    watch(decided, team["cliff"])
    with pytest.raises(Refused):
        proposal_close(proposal_id=decided.pk, outcome="", actor=team["cliff"], now=NOW)
    proposal_close(proposal_id=decided.pk, outcome="Fills came back, slowly", actor=team["cliff"], now=NOW)
    decided.refresh_from_db()
    assert (decided.status, decided.outcome) == ("closed", "Fills came back, slowly")
    with pytest.raises(Refused):
        switch(decided, team["scalper"])
