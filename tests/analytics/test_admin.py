from __future__ import annotations

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from apps.analytics.models import MetricExport
from apps.trading.models import Account
from tests import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(make.user("craig", is_superuser=True))
    return client


def test_the_account_list_offers_the_liquidity_csv(boss: Client) -> None:
    assert admin.site.is_registered(Account)
    account = make.account()
    response = boss.post(
        reverse("admin:trading_account_changelist"),
        {"action": "download_liquidity", "_selected_action": [account.pk]},
    )
    assert response.headers["Content-Type"].startswith("text/csv")
    assert MetricExport.objects.get().created_by.get_username() == "craig"


def test_two_accounts_at_once_are_refused(boss: Client) -> None:
    chosen = [make.account().pk, make.account("other").pk]
    boss.post(reverse("admin:trading_account_changelist"), {"action": "download_liquidity", "_selected_action": chosen})
    assert not MetricExport.objects.exists()


def test_exports_are_facts_in_the_admin(boss: Client) -> None:
    boss.post(reverse("console:exports"), {"account": make.account().pk, "days": "7"})
    export = MetricExport.objects.get()
    assert export.sha256 in boss.get(reverse("admin:analytics_metricexport_changelist")).content.decode()
    assert boss.get(reverse("admin:analytics_metricexport_add")).status_code == 403
    assert boss.post(reverse("admin:analytics_metricexport_delete", args=[export.pk])).status_code == 403
