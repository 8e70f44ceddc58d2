from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import DatabaseError

from apps.core.exceptions import NotPermitted
from apps.core.permissions import holders, require
from apps.governance import checks
from apps.governance.models import AuditEvent
from apps.governance.services.roles import UnknownPermission, person_create, roles_sync
from kalshiops.roles import RIGHTS, roles
from tests.factories import NOW

pytestmark = pytest.mark.django_db
STOP, PROPOSE = "risk.trip_kill_switch", "governance.propose_change"
APPROVE, RAISE = "governance.approve_change", "governance.approve_risk_raise"


@pytest.mark.parametrize(
    ("permission", "names"),
    [
        (STOP, {"craig", "cliff", "scalper", "viewer"}),
        (PROPOSE, {"craig", "cliff", "scalper"}),
        ("risk.resume_trading", {"cliff", "scalper"}),
        ("trading.operate_session", {"craig", "cliff", "scalper"}),
        ("trading.place_order", {"craig", "cliff", "scalper"}),
        (APPROVE, {"craig", "cliff"}),
        (RAISE, {"craig"}),
        ("trading.view_order", {"craig", "cliff", "scalper", "viewer"}),
        ("governance.view_auditevent", {"craig", "cliff", "scalper", "viewer"}),
        ("auth.change_user", set()),
    ],
)
def test_rights_of_the_team(team: dict[str, User], permission: str, names: set[str]) -> None:
    assert set(holders(permission).values_list("username", flat=True)) == names


def test_every_role_may_stop_and_none_may_edit_facts() -> None:
    table = roles()
    assert all(STOP in rights for rights in table.values())
    changing = {
        r for rights in table.values() for r in rights if r.split(".")[1].startswith(("add_", "change_", "del"))
    }
    assert changing == {"auth.add_user", "auth.change_user"}
    assert not RIGHTS["technical_admin"] & {PROPOSE, APPROVE, RAISE}


def test_sync_makes_the_database_match_and_audits_only_changes() -> None:
    assert set(roles_sync(roles=roles(), now=NOW, actor_label="system:test")) == set(RIGHTS)
    assert roles_sync(roles=roles(), now=NOW, actor_label="system:test") == []
    viewer = Group.objects.get(name="viewer")
    viewer.permissions.clear()
    Group.objects.create(name="guests")

    assert roles_sync(roles=roles(), now=NOW, actor_label="system:test") == ["viewer"]

    assert {f"{p.content_type.app_label}.{p.codename}" for p in viewer.permissions.all()} == roles()["viewer"]
    assert Group.objects.filter(name="guests").exists()
    assert AuditEvent.objects.filter(action="people.role.sync").count() == len(RIGHTS) + 1


def test_role_with_a_right_nobody_declares_is_refused_whole() -> None:
    with pytest.raises(UnknownPermission):
        roles_sync(roles={"a": {STOP}, "b": {"risk.fly"}}, now=NOW, actor_label="system:test")
    assert not Group.objects.exists()


def test_existing_person_is_never_changed(team: dict[str, User]) -> None:
    before = team["craig"].password
    made = person_create(username="craig", password="another one", role="viewer", now=NOW, actor_label="system:test")
    assert made is None
    craig = User.objects.get(username="craig")
    assert craig.password == before
    assert [g.name for g in craig.groups.all()] == ["boss"]


def test_require_names_the_missing_right(team: dict[str, User]) -> None:
    assert require(team["craig"], APPROVE) == team["craig"]
    for nobody in (None, User(username="ghost"), team["viewer"]):
        with pytest.raises(NotPermitted) as error:
            require(nobody, APPROVE)
        assert error.value.extra == {"permission": APPROVE}


def test_deploy_check_wants_two_approvers(team: dict[str, User], monkeypatch: pytest.MonkeyPatch) -> None:
    def found() -> list[str | None]:
        return [m.id for m in run_checks(tags=["governance"], include_deployment_checks=True)]

    assert found() == []
    User.objects.filter(username="cliff").update(is_active=False)
    assert found() == ["governance.E001"]

    def away(permission: str) -> None:
        raise DatabaseError("no such table")

    monkeypatch.setattr(checks, "holders", away)
    assert found() == ["governance.W001"]


def test_sync_command_reports(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("sync_roles")
    call_command("sync_roles")
    assert capsys.readouterr().out.splitlines()[-1] == "roles changed: none"
