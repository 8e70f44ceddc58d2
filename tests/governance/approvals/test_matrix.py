"""Every step of a request, by every role, in every state: what is not allowed changes nothing (G9)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.governance.models import ApprovalRequest, ApprovalRevision, ApprovalVote
from apps.governance.services import approval_expire_due, approval_withdraw
from tests.governance.conftest import NumberHandler

from .acts import WHY, Team, ask, edit, hire, sign, smash

pytestmark = pytest.mark.django_db
ClientOf = Callable[[str], Client]
PEOPLE = ("", "outsider", "eve", "viewer", "scalper", "cliff", "craig", "rita")
STEPS = {
    "sign": ("approval", {"vote": "approve"}),
    "reject": ("approval", {"vote": "reject"}),
    "edit": ("approval-edit", {"value_value": "8", "apply_after": ""}),
    "withdraw": ("approval-withdraw", {}),
    "countersign": ("approval-countersign", {}),
    "break glass": ("approval-break-glass", {}),
}
# Scalper asks to raise the number; in "edited" Craig was the last to edit. Nobody else gets anywhere.
ALLOWED = {
    "open": {
        "sign": {"craig"},
        "reject": {"cliff", "craig", "rita"},
        "edit": {"scalper", "cliff", "craig", "rita"},
        "withdraw": {"scalper"},
        "break glass": {"cliff", "craig"},
    },
    "edited": {
        "sign": {"cliff", "rita"},
        "reject": {"cliff", "rita"},
        "edit": {"scalper", "cliff", "craig", "rita"},
        "withdraw": {"scalper"},
        "break glass": {"cliff", "craig"},
    },
    "moved": {
        "reject": {"cliff", "craig", "rita"},
        "edit": {"scalper", "cliff", "craig", "rita"},
        "withdraw": {"scalper"},
    },
    "altered": {"withdraw": {"scalper"}},
    "emergency": {"countersign": {"craig", "rita"}},
    "applied": {},
    "rejected": {},
    "withdrawn": {},
    "expired": {},
    "lowered": {},
}


def in_state(state: str, team: Team, number: NumberHandler) -> ApprovalRequest:
    now = timezone.now()
    if state == "emergency":
        return smash(team["cliff"], now=now)
    if state == "lowered":
        return ask(team["scalper"], 3, now=now)
    if state == "expired":
        old = now - timedelta(days=2)
        request = ask(team["scalper"], now=old)
        approval_expire_due(now=now)
        return request
    request = ask(team["scalper"], now=now)
    if state == "edited":
        return edit(request, team["craig"], 12, now=now)
    if state == "moved":
        number.numbers["1"] = 6
    elif state == "altered":
        ApprovalRequest.objects.filter(pk=request.pk).update(payload={"value": 900})
    elif state == "applied":
        sign(request, team["craig"], now=now)
    elif state == "rejected":
        sign(request, team["craig"], "reject", now=now)
    elif state == "withdrawn":
        approval_withdraw(request_id=request.pk, reason=WHY, actor=team["scalper"], now=now)
    return request


def snapshot(number: NumberHandler) -> tuple[object, ...]:
    requests = ApprovalRequest.objects.exclude(status="void").values_list("pk", "status", "revision", "payload")
    return (dict(number.numbers), list(requests), ApprovalVote.objects.count(), ApprovalRevision.objects.count())


@pytest.mark.parametrize("state", ALLOWED)
@pytest.mark.parametrize("name", PEOPLE)
def test_only_what_is_allowed_changes_anything(
    client_of: ClientOf, team: Team, number: NumberHandler, state: str, name: str
) -> None:
    if name == "rita":
        team["rita"] = hire("rita", "risk")
    else:
        hire("rita", "risk")
    client, done = client_of(name), set()
    for step, (url, data) in STEPS.items():
        number.numbers["1"] = 5
        ApprovalRequest.objects.filter(status="open").update(status="withdrawn")
        request = in_state(state, team, number)
        request.refresh_from_db()
        before = snapshot(number)
        sent = {"reason": WHY, "revision": str(request.revision)} | data
        response = client.post(reverse(f"console:{url}", args=[request.pk]), sent)
        if snapshot(number) != before and ApprovalRequest.objects.get(pk=request.pk).status != "void":
            done.add(step)
            assert response.status_code == 302, step
    assert done == {step for step, names in ALLOWED[state].items() if name in names}
