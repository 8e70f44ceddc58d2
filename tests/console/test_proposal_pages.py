from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
import time_machine
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from apps.governance.models import (
    ApprovalRequest,
    AuditEvent,
    Comment,
    FallbackSwitch,
    OptionResult,
    ProposalDecision,
    ProposalEvidence,
    RedesignProposal,
    WorkItem,
)
from apps.governance.services.proposals_demo import redesign_case_load
from tests.factories import NOW
from tests.governance.proposals import steps

pytestmark = pytest.mark.django_db
Team = dict[str, User]
Browsers = Callable[[str], Client]
WHY = steps.WHY
PAGE_QUERIES, LIST_QUERIES = 21, 12
SLOTS = ["liquidity", "depth", "fill-rate", "sizing", "alternatives", "scenario-matrix"]


@pytest.fixture
def case(team: Team) -> RedesignProposal:
    made = redesign_case_load(environment="simulated", now=NOW)
    assert made is not None
    return made


def url(name: str, *args: object) -> str:
    return reverse(f"console:{name}", args=args)


def shown(client: Client, case: RedesignProposal) -> str:
    response = client.get(url("proposal", case.pk))
    assert response.status_code == 200
    return response.content.decode()


def choice(case: RedesignProposal, **fields: str) -> dict[str, str]:
    case.refresh_from_db()
    return {"revision": str(case.revision), "primary": "B", "fallback": "D", "reason": WHY} | fields


def waived() -> dict[str, str]:
    return {f"waive-{slot}": f"{WHY}, {slot}" for slot in SLOTS}


def decided(case: RedesignProposal, people: Team) -> None:
    steps.ask(case, people["scalper"])
    steps.choose(case, people["craig"], waivers=dict.fromkeys(SLOTS, WHY))


def content(**fields: str) -> dict[str, str]:
    return {
        "title": "Fewer fills",
        "problem": "Something is off",
        "baseline": "Orders filled | 0 | orders",
        "causes": "Too wide",
        "axes": "Thin books | Fill rate | % of orders",
        "reason": WHY,
        "revision": "0",
    } | fields


def option(case: RedesignProposal, **fields: str) -> dict[str, str]:
    case.refresh_from_db()
    return {
        "name": "Later",
        "summary": "Start later",
        "changes": "MM_KAPPA | 1.5 | 1.2 | 1/$",
        "pros": "Calm\nCheap",
        "cons": "",
        "trade_off": "",
        "reason": WHY,
        "revision": str(case.revision),
    } | fields


# What can be sent, to which page, and what it makes: every write is tried as everybody.
Write = tuple[str, Callable[[RedesignProposal], tuple[object, ...]], Callable[[RedesignProposal], dict[str, str]], str]
WRITES: dict[str, Write] = {
    "new": ("proposal-new", lambda case: (), lambda case: content(), "scalper"),
    "edit": (
        "proposal-edit", lambda case: (case.pk,), lambda case: content(revision=str(case.revision)), "scalper"
    ),
    "option": ("proposal-option", lambda case: (case.pk, "A"), option, "scalper"),
    "option-new": ("proposal-option-new", lambda case: (case.pk,), option, "scalper"),
    "slot": ("proposal-slot", lambda case: (case.pk,), lambda case: {"title": "Queues", "reason": WHY}, "scalper"),
    "evidence": (
        "proposal-evidence", lambda case: (case.pk, "depth"),
        lambda case: {"kind": "report", "title": "Depth", "reference": "reports/3", "note": WHY}, "scalper",
    ),
    "result": (
        "proposal-result", lambda case: (case.pk,),
        lambda case: {
            "option": str(case.options.all()[0].pk), "axis": "3", "value": "1.5", "low": "-1", "high": "2",
            "sample": "30", "reference": "run 3",
        }, "cliff",
    ),
    "ask": ("proposal-ask", lambda case: (case.pk,), lambda case: {"reason": WHY}, "scalper"),
    "work-new": (
        "proposal-work-new", lambda case: (case.pk,),
        lambda case: {
            "title": "Look", "owners": str(case.author_id), "due_at": "2026-11-21T12:00", "reason": WHY,
        }, "scalper",
    ),
    "work": (
        "proposal-work", lambda case: (case.pk, case.work_items.all()[0].pk),
        lambda case: {
            "status": "waiting", "owners": str(case.author_id), "due_at": "2026-11-21T12:00", "reason": WHY,
        }, "cliff",
    ),
    "done": (
        "proposal-work-done", lambda case: (case.pk, case.work_items.get(title="Market analysis").pk),
        lambda case: {"reason": WHY}, "scalper",
    ),
    "comment": (
        "comment", lambda case: (),
        lambda case: {"object_type": steps_label(), "object_id": str(case.pk), "text": "Look at the depth"}, "scalper",
    ),
}  # fmt: skip


def steps_label() -> str:
    return RedesignProposal._meta.label


@pytest.mark.parametrize("name", WRITES)
def test_only_those_with_the_right_write(
    case: RedesignProposal,
    client_of: Browsers,
    name: str,
) -> None:
    view, args, data, who = WRITES[name]
    path, before = url(view, *args(case)), AuditEvent.objects.count()
    for nobody, status in (("", 302), ("outsider", 403), ("eve", 403), ("viewer", 403)):
        assert client_of(nobody).post(path, data(case)).status_code == status, nobody
    assert AuditEvent.objects.count() == before
    assert client_of(who).post(path, data(case)).status_code == 302
    assert AuditEvent.objects.filter(actor__username=who).count() > 0


def test_steps_after_the_decision_take_the_right_too(
    case: RedesignProposal,
    team: Team,
    client_of: Browsers,
) -> None:
    decided(case, team)
    watch = {"until": "2026-11-27T12:00", "lines": "Fill rate | % | 12", "reason": WHY}
    pages = [(url("proposal-fallback", case.pk), {"reason": WHY}), (url("proposal-watch", case.pk), watch)]
    for path, data in pages:
        for nobody, status in (("", 302), ("outsider", 403), ("eve", 403), ("viewer", 403)):
            assert client_of(nobody).post(path, data).status_code == status, nobody
    assert not FallbackSwitch.objects.exists()
    for path, data in pages:
        assert client_of("scalper").post(path, data).status_code == 302
    case.refresh_from_db()
    assert case.status == "watching"
    measured = client_of("cliff").post(url("proposal-watch", case.pk), {"line-0": "9.5", "reason": WHY})
    assert measured.status_code == 302
    assert "9.5 %" in shown(client_of("viewer"), case)


def test_craig_chooses_on_the_page(case: RedesignProposal, team: Team, client_of: Browsers) -> None:
    steps.ask(case, team["scalper"])
    craig = client_of("craig")
    page = shown(craig, case)
    assert "Choose and sign" in page
    response = craig.post(url("proposal-choose", case.pk), choice(case, **waived()))
    assert response.headers["Location"] == url("proposal", case.pk) + "#decision"
    decision = ProposalDecision.objects.get()
    assert (decision.primary.key, decision.fallback.key, decision.decided_by) == ("B", "D", team["craig"])
    assert [one["slot"] for one in decision.waivers] == SLOTS
    page = shown(craig, case)
    assert "Snipe only, no market making first" in " ".join(page.split())
    assert "Waived" in page
    assert "blocks the decision" not in page


def test_nobody_else_chooses(case: RedesignProposal, team: Team, client_of: Browsers) -> None:
    steps.ask(case, team["scalper"])
    data = choice(case, **waived())
    for name, status in (("", 302), ("outsider", 403), ("eve", 403), ("viewer", 403), ("scalper", 403)):
        assert client_of(name).post(url("proposal-choose", case.pk), data).status_code == status, name
    author = client_of("cliff").post(url("proposal-choose", case.pk), data)
    assert author.status_code == 422
    assert "another person decides" in author.content.decode()
    for name in ("cliff", "scalper", "viewer"):
        assert "Choose and sign" not in shown(client_of(name), case)
    assert not ProposalDecision.objects.exists()


def test_a_choice_without_evidence_is_refused_on_the_page(
    case: RedesignProposal,
    team: Team,
    client_of: Browsers,
) -> None:
    steps.ask(case, team["scalper"])
    response = client_of("craig").post(
        url("proposal-choose", case.pk), choice(case, **(waived() | {"waive-depth": ""}))
    )
    page = response.content.decode()
    assert response.status_code == 422
    assert "Required evidence is missing: Depth benchmarks" in page
    assert f"{WHY}, sizing" in page, "what was written is not lost"
    assert not ProposalDecision.objects.exists()


def test_without_a_fresh_factor_craig_is_sent_to_confirm_and_nothing_is_decided(
    case: RedesignProposal,
    team: Team,
    client_of: Browsers,
) -> None:
    steps.ask(case, team["scalper"])
    craig, page = client_of("craig"), url("proposal", case.pk)
    assert url("step-up") not in shown(craig, case)
    with time_machine.travel(NOW + timedelta(minutes=6), tick=False):
        assert url("step-up") in shown(craig, case)
        response = craig.post(
            url("proposal-choose", case.pk), choice(case, **waived()), headers={"referer": f"http://testserver{page}"}
        )
    assert response.status_code == 302
    assert response.headers["Location"].startswith(url("step-up"))
    assert not ProposalDecision.objects.exists()


def test_an_edit_meanwhile_is_a_conflict(case: RedesignProposal, team: Team, client_of: Browsers) -> None:
    steps.ask(case, team["scalper"])
    data = choice(case, **waived())
    seen = option(case)
    assert client_of("scalper").post(url("proposal-option", case.pk, "A"), seen).status_code == 302
    assert client_of("cliff").post(url("proposal-option", case.pk, "A"), seen).status_code == 409
    assert client_of("craig").post(url("proposal-choose", case.pk), data).status_code == 409
    assert not ProposalDecision.objects.exists()
    assert ApprovalRequest.objects.get().status == "withdrawn"


def test_the_page_says_what_is_missing_and_overdue_in_words(
    case: RedesignProposal,
    client_of: Browsers,
) -> None:
    page = shown(client_of("viewer"), case)
    assert "6 missing, which blocks the decision" in page
    assert page.count("no result yet") == 24
    assert page.count('<span class="lamp stop">overdue</span>') == 9
    for text in ("7,822 orders", "$77.99", "99.99 %", "MM_GAMMA_WEATHER", "KELLY_FRACTION", "cliff + scalper"):
        assert text in page
    assert f'href="/audit/?object=governance.RedesignProposal:{case.pk}"' in page
    assert "<textarea" not in page, "a viewer has nothing to write with"


def test_results_are_shown_with_interval_and_sample(
    case: RedesignProposal,
    client_of: Browsers,
) -> None:
    first = case.options.all()[0]
    steps.record(first, case.axes[3], value=Decimal("-1.5"), low=Decimal("-2"), high=Decimal("0.25"), sample=1200)
    page = shown(client_of("viewer"), case)
    assert "−1.50" in page
    assert "−2.00 to 0.25, n 1,200" in page
    assert page.count("no result yet") == 23


def test_a_result_recorded_by_hand_lands_on_its_axis(
    case: RedesignProposal,
    client_of: Browsers,
) -> None:
    view, args, data, _ = WRITES["result"]
    client, path = client_of("cliff"), url(view, *args(case))
    for wrong in ({"value": "much"}, {"value": "9"}, {"sample": "0"}, {"axis": "99"}, {"reference": ""}):
        assert client.post(path, data(case) | wrong).status_code == 422
    assert not OptionResult.objects.exists()
    client.post(path, data(case))
    row = OptionResult.objects.get()
    assert (row.metric, row.regime, row.unit, str(row.value)) == ("Net result", "Thin books", "$ per day", "1.500000")


def test_lines_that_cannot_be_read_are_named(case: RedesignProposal, client_of: Browsers) -> None:
    client = client_of("scalper")
    response = client.post(url("proposal-new"), content(baseline="Loss | 77.99 | $\nOrders filled 0"))
    assert response.status_code == 422
    assert "Line 2 is not of the form: name | value | unit" in response.content.decode()
    response = client.post(url("proposal-option", case.pk, "A"), option(case, changes="kappa | 1 | 2 | 1/$"))
    assert "is not a parameter" in response.content.decode()
    assert RedesignProposal.objects.count() == 1


def test_what_is_stored_comes_back_into_the_form(case: RedesignProposal, client_of: Browsers) -> None:
    client = client_of("scalper")
    page = client.get(url("proposal-option", case.pk, "A")).content.decode()
    assert "MM_GAMMA_WEATHER | 0.4 | 0.2 | risk aversion" in page
    page = client.get(url("proposal-edit", case.pk)).content.decode()
    assert "Orders placed | 7822 | orders" in page
    assert "Thin books | Fill rate | % of orders" in page


def test_a_new_proposal_walks_from_draft_to_evidence(client_of: Browsers) -> None:
    client = client_of("scalper")
    made_at = client.post(url("proposal-new"), content()).headers["Location"]
    made = RedesignProposal.objects.get()
    assert made_at == url("proposal", made.pk)
    early = client.post(url("proposal-submit", made.pk), {"reason": WHY})
    assert early.status_code == 422
    assert "two options" in early.content.decode()
    for _ in range(2):
        client.post(url("proposal-option-new", made.pk), option(made))
    assert client.post(url("proposal-submit", made.pk), {"reason": WHY}).status_code == 302
    made.refresh_from_db()
    assert (made.status, [one.key for one in made.options.all()]) == ("evidence", ["A", "B"])


def test_a_task_is_done_by_its_owner_in_order(case: RedesignProposal, client_of: Browsers) -> None:
    first = case.work_items.get(title="Market analysis")
    second = case.work_items.get(title="Parameter optimization")
    scalper, cliff = client_of("scalper"), client_of("cliff")
    assert "It is done" in scalper.get(url("proposal-work", case.pk, first.pk)).content.decode()
    assert "It is done" not in cliff.get(url("proposal-work", case.pk, first.pk)).content.decode()
    early = cliff.post(url("proposal-work-done", case.pk, second.pk), {"reason": WHY})
    assert early.status_code == 422
    assert "First comes: Market analysis" in early.content.decode()
    scalper.post(url("proposal-work-done", case.pk, first.pk), {"reason": WHY})
    assert "by scalper" in shown(cliff, case)
    assert cliff.post(url("proposal-work-done", case.pk, second.pk), {"reason": WHY}).status_code == 302


def test_a_task_of_another_proposal_is_not_found_here(
    case: RedesignProposal,
    team: Team,
    client_of: Browsers,
) -> None:
    item = WorkItem.objects.create(title="Elsewhere", due_at=NOW, created_at=NOW)
    item.owners.add(team["scalper"])
    assert client_of("scalper").post(url("proposal-work-done", case.pk, item.pk), {"reason": WHY}).status_code == 404
    assert client_of("scalper").get(url("proposal", 99)).status_code == 404


def test_a_remark_is_shown_and_supplemented(case: RedesignProposal, client_of: Browsers) -> None:
    client, back = client_of("scalper"), url("proposal", case.pk) + "#comments"
    data = {"object_type": steps_label(), "object_id": str(case.pk), "text": "The <depth> is thin", "next": back}
    assert client.post(url("comment"), data).headers["Location"] == back
    first = Comment.objects.get()
    assert "The &lt;depth&gt; is thin" in shown(client_of("viewer"), case)
    page = client.get(url("proposal", case.pk), {"supplement": first.pk}).content.decode()
    assert f'name="supplements" value="{first.pk}"' in page
    client.post(url("comment"), data | {"text": "I meant the spread", "supplements": str(first.pk)})
    assert Comment.objects.filter(supplements=first).count() == 1
    wrong = client.post(url("comment"), data | {"text": ""})
    assert wrong.status_code == 422
    away = client.post(url("comment"), data | {"next": "https://elsewhere.example/"})
    assert away.headers["Location"] == url("mission")


def test_the_list_says_where_everything_stands(
    case: RedesignProposal,
    team: Team,
    client_of: Browsers,
) -> None:
    page = client_of("viewer").get(url("proposals")).content.decode()
    assert "9 tasks overdue" in page
    assert "not chosen" in page
    assert "Propose a redesign" not in page
    decided(case, team)
    assert "B, then D" in client_of("scalper").get(url("proposals")).content.decode()


def test_an_empty_list_says_so(client_of: Browsers) -> None:
    assert "No redesign has been proposed" in client_of("scalper").get(url("proposals")).content.decode()


def test_queries_do_not_grow_with_what_is_shown(
    case: RedesignProposal,
    team: Team,
    client_of: Browsers,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    client = client_of("viewer")
    page, index = url("proposal", case.pk), url("proposals")
    client.get(page)
    with django_assert_num_queries(PAGE_QUERIES):
        client.get(page)
    with django_assert_num_queries(LIST_QUERIES):
        client.get(index)
    steps.fill(case, team["scalper"])
    with django_assert_num_queries(PAGE_QUERIES):
        client.get(page)
    with django_assert_num_queries(LIST_QUERIES):
        client.get(index)


def test_overdue_follows_the_clock(case: RedesignProposal, client_of: Browsers) -> None:
    WorkItem.objects.update(due_at=NOW + timedelta(minutes=5))
    client = client_of("viewer")
    assert '<span class="lamp stop">overdue</span>' not in shown(client, case)
    with time_machine.travel(NOW + timedelta(minutes=6), tick=False):
        assert shown(client, case).count('<span class="lamp stop">overdue</span>') == 9


def test_evidence_is_attached_to_its_slot(case: RedesignProposal, client_of: Browsers) -> None:
    view, args, data, who = WRITES["evidence"]
    client, path = client_of(who), url(view, *args(case))
    wrong = client.post(path, data(case) | {"reference": ""})
    assert wrong.status_code == 422
    assert "reference" in wrong.context["form"].errors
    assert client.post(url("proposal-evidence", case.pk, "nothing"), data(case)).status_code == 404
    client.post(path, data(case))
    assert ProposalEvidence.objects.get().slot.key == "depth"
    assert "5 missing, which blocks the decision" in shown(client, case)
