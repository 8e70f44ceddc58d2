"""The admin as a whole: every model is there, its front page says what is going on, and what may be done at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.sites import NotRegistered
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from apps.core.adminsite import JOBS, ReadOnlyAdmin
from apps.governance.services import audit_record
from apps.risk.models import KillRun, TradingState
from tests import factories
from tests.factories import NOW

pytestmark = pytest.mark.django_db
ClientOf = Callable[[str], Client]
OWN = ("core", "governance", "marketdata", "risk", "trading", "analytics")
EDITABLE = {"auth.User"}
NO_LIST = {
    "governance.RecoveryCode": "digests of secrets",
    "governance.AuditHead": "one row, which the page of the chain shows",
}
INDEX = "admin:index"


def index_of(client: Client) -> str:
    return client.get(reverse(INDEX)).content.decode()


def test_every_model_of_ours_is_in_the_admin_and_belongs_to_a_job() -> None:
    site = admin.site._registry
    inline = {inline.model for made_by in site.values() for inline in made_by.inlines}
    missing = {m._meta.label for m in apps.get_models() if m._meta.app_label in OWN and not {m} & (set(site) | inline)}
    assert missing == NO_LIST.keys()
    assert {model._meta.label: ma.job for model, ma in site.items() if ma.job not in JOBS} == {}


def test_nothing_but_people_can_be_edited_by_anyone() -> None:
    editable = {m._meta.label for m, ma in admin.site._registry.items() if not isinstance(ma, ReadOnlyAdmin)}
    assert editable == EDITABLE


def test_a_librarys_own_admin_is_not_taken() -> None:
    device = apps.get_model("otp_totp", "TOTPDevice")
    admin.site.register(device, type("DeviceAdmin", (admin.ModelAdmin,), {"__module__": "somewhere.admin"}))
    assert device not in admin.site._registry
    with pytest.raises(NotRegistered):
        admin.site.unregister(device)


def test_anonymous_is_sent_to_sign_in(db: None) -> None:
    for model in (User, TradingState, KillRun):
        response = Client().get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"))
        assert (response.status_code, response["Location"][:9]) == (302, "/sign-in/")


def test_index_is_grouped_by_job_with_the_trading_state_on_top(client_of: ClientOf) -> None:
    text = index_of(client_of("craig"))
    places = [text.index(f'id="job-{job.lower()}"') for job in JOBS]
    assert places == sorted(places)
    assert text.index('id="trading-state"') < text.index('id="waiting"') < places[0]
    assert text.index(reverse("console:kill")) < places[0]
    assert "Is what we trade on still arriving?" in text


def test_index_says_of_every_account_whether_it_may_trade_since_when_by_whom_and_why(
    client_of: ClientOf, team: dict[str, User]
) -> None:
    factories.account("main")
    factories.account("second")
    factories.account("retired", is_active=False)
    stop = {"changed_by": team["scalper"], "reason": "feed is odd"}
    TradingState.objects.create(scope="account", scope_id="main", state="halted", changed_at=NOW, **stop)
    lines = client_of("viewer").get(reverse(INDEX)).content.decode()
    main, second = lines.split(">main <")[1].split("</tr>")[0], lines.split(">second <")[1].split("</tr>")[0]
    assert all(part in main for part in ('class="lamp stop">Halted', "2026-11-20 12:00:00", "scalper", "feed is odd"))
    assert all(part in second for part in ('class="lamp ok">Active', "Never stopped"))
    assert ">retired <" not in lines


@pytest.mark.parametrize(
    ("scope", "scope_id", "state", "shown"),
    [
        ("global", "", "halted", "Halted"),
        ("environment", "simulated", "reducing", "Reducing"),
        ("account", "*", "halted", "Halted"),
        ("account", "main", "frozen", "Halted"),
        ("account", "other", "halted", "Active"),
        ("market", "KX-1", "halted", "Active"),
    ],
)
def test_the_strictest_state_about_the_whole_account_counts_and_an_unknown_one_stops(
    client_of: ClientOf, scope: str, scope_id: str, state: str, shown: str
) -> None:
    factories.account("main")
    TradingState.objects.create(scope="account", scope_id="main", state="active", reason="resumed", changed_at=NOW)
    TradingState.objects.update_or_create(
        scope=scope,
        scope_id=scope_id,
        defaults={"state": state, "reason": "why", "changed_at": NOW - timedelta(hours=1)},
    )
    text = index_of(client_of("viewer"))
    assert f">{shown}</span>" in text.split(">main <")[1].split("</tr>")[0]


def test_a_stop_of_what_is_not_an_account_in_use_is_shown_too(client_of: ClientOf) -> None:
    TradingState.objects.create(scope="account", scope_id="gone", state="halted", reason="x", changed_at=NOW)
    TradingState.objects.create(scope="series", scope_id="KXBTC", state="reducing", reason="y", changed_at=NOW)
    text = index_of(client_of("viewer"))
    assert "Account gone" in text
    assert "Series KXBTC" in text


def test_index_offers_to_stop_only_to_who_may(client_of: ClientOf, team: dict[str, User]) -> None:
    halt = reverse("admin:risk_tradingstate_halt")
    assert halt in index_of(client_of("viewer"))
    client = Client()
    client.force_login(factories.user("dave", perms=("risk.view_tradingstate",)))
    text = index_of(client)
    assert 'id="trading-state"' in text
    assert halt not in text
    assert reverse("console:kill") not in text


def test_index_counts_up_to_a_thousand_and_says_when_there_are_more(
    client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.core.admin_index.CAP", 2)
    for name in ("a", "b", "c"):
        factories.feed(name, last_frame_at=None)
    text = index_of(client_of("viewer"))
    assert "2+" in text.split('id="job-run"')[1].split(">Feeds<")[1].split("</li>")[0]
    assert '<b>2+</b> <span class="lamp warn">feeds stale' in text


def test_palette_finds_lists_and_one_object_by_its_key(client_of: ClientOf) -> None:
    order = factories.order(client_order_id="a1b2-000007")
    client = client_of("viewer")
    search = reverse("admin:search")

    def found(term: str) -> list[str]:
        response = client.get(search, {"s": term, "extended": "1"})
        return [item.link for item in response.context["results"]]

    assert found("a1b2-000007") == [reverse("admin:trading_order_change", args=[order.pk])]
    assert found("a1b2-00000") == []
    assert reverse("admin:trading_fill_changelist") in found("fee as predicted")
    assert client.get(search, {"s": " "}).content == b""


def test_palette_finds_only_what_the_person_may_look_at(team: dict[str, User]) -> None:
    factories.order(client_order_id="a1b2-000007")
    client = Client()
    client.force_login(factories.user("dave", perms=("risk.view_killrun",)))
    for term in ("a1b2-000007", "order"):
        assert b"/admin/trading/" not in client.get(reverse("admin:search"), {"s": term}).content
    assert b"/admin/risk/killrun/" in client.get(reverse("admin:search"), {"s": "kill"}).content


def test_a_page_of_numbers_that_nobody_leafs_to_is_refused(client_of: ClientOf) -> None:
    listing: Any = reverse("admin:trading_order_changelist")
    assert client_of("viewer").get(listing, {"p": "201"}).status_code == 302


def test_the_audit_trail_of_an_object_is_one_step_away(client_of: ClientOf) -> None:
    config = factories.config()
    for key, action in ((config.pk, "test.config.touch"), (config.pk + 1, "test.config.other")):
        audit_record(
            actor=None,
            actor_label="system:test",
            action=action,
            obj_type="trading.StrategyConfig",
            obj_id=key,
            now=NOW,
        )
    client = client_of("viewer")
    page = client.get(reverse("admin:trading_strategyconfig_change", args=[config.pk]))
    trail = client.get(page.context["audit_url"]).content.decode()
    assert "test.config.touch" in trail
    assert "test.config.other" not in trail
