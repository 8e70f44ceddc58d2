"""Themes and restricted markets: tightening takes one person and acts at once, loosening takes two."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from apps.core.exceptions import NotPermitted, Refused
from apps.governance.exceptions import ApproverIsRequester
from apps.governance.models import ApprovalRequest, AuditEvent
from apps.governance.selectors import approval_rows
from apps.governance.services import approval_request, approval_vote
from apps.risk.exceptions import BadScope, WouldLoosen
from apps.risk.models import RestrictedMarket, Theme
from apps.risk.selectors import RiskRows, restricted_reason
from apps.risk.services import restriction_add, restriction_lift_request, theme_set, theme_shrink_request
from tests.factories import NOW, fresh_factor

pytestmark = pytest.mark.django_db
Team = dict[str, User]
WHY = "a reason that is long enough"


def bar(team: Team, who: str = "viewer", user: str | None = None, **where: str) -> RestrictedMarket:
    scope = {"scope": "market", "scope_id": "KX-1"} | where
    return restriction_add(
        user=None if user is None else team[user], reason="insider", actor=team[who], now=NOW, **scope
    )


def widen(team: Team, *members: str, who: str = "scalper") -> Theme:
    return theme_set(slug="bitcoin", name="Bitcoin", members=members, reason=WHY, actor=team[who], now=NOW)


def vote(request: ApprovalRequest, actor: User) -> ApprovalRequest:
    return approval_vote(
        request_id=request.pk,
        revision=request.revision,
        vote="approve",
        reason=WHY,
        actor=actor,
        factor=fresh_factor(actor),
        now=NOW,
    )


def test_anybody_who_may_stop_trading_restricts_a_market_at_once(team: Team) -> None:
    row = bar(team)
    assert (row.user, row.added_by, row.added_at, row.lifted_at) == (None, team["viewer"], NOW, None)
    assert restricted_reason(market="KX-1") == "firm: insider"
    event = AuditEvent.objects.get(action="risk.restriction.add")
    assert event.after == {"scope": "market", "scope_id": "KX-1", "for": "firm"}
    with pytest.raises(NotPermitted):
        bar(team, "eve", scope_id="KX-2")


def test_a_restriction_of_one_person_stands_beside_the_firms(team: Team) -> None:
    bar(team, user="craig")
    bar(team)
    assert restricted_reason(market="KX-1", user=team["scalper"]) == "firm: insider"
    assert restricted_reason(market="KX-1", user=team["craig"]) == "craig: insider; firm: insider"
    for who in (None, "craig"):
        with pytest.raises(Refused, match="already"):
            bar(team, user=who)


@pytest.mark.parametrize(
    ("scope", "scope_id"),
    [("global", ""), ("account", "main"), ("strategy", "m"), ("market", "*"), ("market", ""), ("x", "y")],
)
def test_a_restriction_names_one_thing_that_is_traded(team: Team, scope: str, scope_id: str) -> None:
    with pytest.raises(BadScope):
        bar(team, scope=scope, scope_id=scope_id)
    assert not RestrictedMarket.objects.exists()


def test_a_restriction_says_why(team: Team) -> None:
    with pytest.raises(Refused):
        restriction_add(scope="market", scope_id="KX", user=None, reason="  ", actor=team["craig"], now=NOW)


def test_lifting_a_restriction_takes_a_second_person_who_may_raise_risk(team: Team) -> None:
    row = bar(team)
    request = restriction_lift_request(restriction_id=row.pk, reason=WHY, actor=team["craig"], now=NOW)
    assert [(r.label, r.new, r.direction) for r in approval_rows(request)] == [
        ("Market KX-1 for firm", "may be traded", "raises")
    ]
    with pytest.raises(ApproverIsRequester):
        vote(request, team["craig"])
    assert restricted_reason(market="KX-1") is not None

    vote(request, team["cliff"])

    assert restricted_reason(market="KX-1") is None
    row.refresh_from_db()
    assert row.lifted_at == NOW
    event = AuditEvent.objects.get(action="risk.restriction.lift")
    assert event.after == {"lifted": True, "approval": request.pk, "requester": "craig"}
    with pytest.raises(Refused, match="already"):
        restriction_lift_request(restriction_id=row.pk, reason=WHY, actor=team["craig"], now=NOW)
    assert bar(team).pk != row.pk


def test_lifting_needs_the_right_to_propose(team: Team) -> None:
    row = bar(team)
    with pytest.raises(NotPermitted):
        restriction_lift_request(restriction_id=row.pk, reason=WHY, actor=team["viewer"], now=NOW)


def test_a_theme_grows_at_once(team: Team) -> None:
    widen(team, "KXBTC15M", " KXBTC ", "KXBTC")
    widen(team, "KXBTC", "KXBTC15M", "KXETH")
    theme = Theme.objects.get()
    assert (theme.slug, theme.name, theme.members) == ("bitcoin", "Bitcoin", ["KXBTC", "KXBTC15M", "KXETH"])
    assert RiskRows.load().themes_of("KXETH") == ("bitcoin",)
    events = AuditEvent.objects.filter(action="risk.theme.set").order_by("id")
    assert [event.before and event.before["members"] for event in events] == [None, ["KXBTC", "KXBTC15M"]]
    with pytest.raises(NotPermitted):
        widen(team, "KXSOL", who="viewer")


def test_a_member_leaves_a_theme_only_with_a_second_person(team: Team) -> None:
    theme = widen(team, "KXA", "KXB")
    with pytest.raises(WouldLoosen, match="KXB would leave"):
        widen(team, "KXA", "KXC", who="craig")
    request = theme_shrink_request(
        theme_id=theme.pk, members=["KXA", "KXC"], reason=WHY, actor=team["scalper"], now=NOW
    )
    assert [(r.label, r.direction) for r in approval_rows(request)] == [
        ("Theme bitcoin: KXB", "raises"),
        ("Theme bitcoin: KXC", "lowers"),
    ]
    theme.refresh_from_db()
    assert theme.members == ["KXA", "KXB"]
    with pytest.raises(NotPermitted):
        vote(request, team["cliff"])

    vote(request, team["craig"])

    theme.refresh_from_db()
    assert theme.members == ["KXA", "KXC"]
    event = AuditEvent.objects.get(action="risk.theme.shrink")
    assert (event.before, event.after["members"]) == ({"members": ["KXA", "KXB"]}, ["KXA", "KXC"])


@pytest.mark.parametrize(
    ("slug", "members"),
    [
        ("Bit coin", ["KX"]),
        ("", ["KX"]),
        ("bitcoin", ["KX 1"]),
        ("bitcoin", ["*"]),
        ("bitcoin", [f"K{n}" for n in range(2001)]),
    ],
)
def test_a_theme_that_cannot_be_is_refused(team: Team, slug: str, members: list[str]) -> None:
    with pytest.raises(Refused):
        theme_set(slug=slug, name="x", members=members, reason=WHY, actor=team["craig"], now=NOW)
    assert not Theme.objects.exists()


@pytest.mark.parametrize(
    ("action", "target_type", "payload"),
    [
        ("risk.theme.shrink", "risk.Theme", {"members": "KXA"}),
        ("risk.theme.shrink", "risk.Theme", {"members": ["KXA", "KXB"]}),
        ("risk.theme.shrink", "risk.Theme", {"members": [], "slug": "x"}),
        ("risk.restriction.lift", "risk.RestrictedMarket", {"lift": False}),
        ("risk.restriction.lift", "risk.RestrictedMarket", {}),
    ],
)
def test_a_request_for_something_else_is_refused(
    team: Team, action: str, target_type: str, payload: dict[str, object]
) -> None:
    targets = {"risk.Theme": widen(team, "KXA", "KXB").pk, "risk.RestrictedMarket": bar(team).pk}
    for target in (targets[target_type], 999_999):
        with pytest.raises(Refused):
            approval_request(
                action=action, target_type=target_type, target_id=target, payload=payload, reason=WHY,
                actor=team["craig"], now=NOW,
            )  # fmt: skip
