"""Seeding makes an installation that trades on the simulator, and never undoes what people changed."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from apps.engine.limits import LimitRule as EngineRule
from apps.engine.strategies.registry import STRATEGIES
from apps.governance.models import AuditEvent
from apps.risk.models import RiskLimit
from apps.risk.selectors import RiskRows, limits_for
from apps.trading.models import Account, ParameterSet, StrategyConfig, StrategyVersion
from apps.trading.services.parameters import parameters_complete, parameters_in_force

pytestmark = pytest.mark.django_db


def seed(capsys: pytest.CaptureFixture[str], *args: str) -> dict[str, Any]:
    call_command("seed_demo", "--json", *args)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_first_run_makes_everything_a_session_needs(capsys: pytest.CaptureFixture[str]) -> None:
    report = seed(capsys)

    assert [(p["username"], p["role"]) for p in report["people"]] == [
        ("craig", "boss"),
        ("cliff", "operations"),
        ("scalper", "trader"),
        ("viewer", "viewer"),
        ("admin", "technical_admin"),
    ]
    for person in report["people"]:
        user = User.objects.get(username=person["username"])
        assert user.check_password(person["password"])
        assert (user.is_staff, user.is_superuser) == (True, False)
        assert [g.name for g in user.groups.all()] == [person["role"]]
    config = StrategyConfig.objects.get()
    assert (config.account.name, config.account.environment, config.is_enabled) == ("main", "simulated", True)
    assert config.version.code_hash == STRATEGIES["maker_inside"].code_hash
    assert config.markets == report["markets"] == ["KXBTC15M"]
    in_force = parameters_in_force(config)
    assert (in_force.number, in_force.status, in_force.created_by) == (1, "approved", None)
    assert parameters_complete(kernel="maker_inside", values=in_force.values) == in_force.values
    limits = limits_for(account="main", strategy_slug="maker_inside", series=None, market=None)
    rules = (EngineRule.MAX_ORDER_DOLLARS, EngineRule.MIN_PRICE, EngineRule.MAX_PRICE)
    assert [limits.value(rule) for rule in rules] == [500_000_000, 200, 9_800]
    seeded = AuditEvent.objects.filter(action="trading.parameters.seed").get()
    assert (seeded.actor_label, seeded.reason) == ("system:seed", "seed")


def test_the_first_limits_cover_account_categories_themes_and_orders(capsys: pytest.CaptureFixture[str]) -> None:
    seed(capsys)
    series = "KXBTC15M"
    themes = RiskRows.load().themes_of(series)
    limits = limits_for(account="main", strategy_slug="maker_inside", category="Crypto", themes=themes, series=series)
    shares = {str(li.node): li.value for li in limits.limits if li.rule is EngineRule.MAX_NAV_SHARE}
    assert shares == {"account main": 250_000, "category Crypto": 200_000, "theme crypto": 150_000}
    rules = (EngineRule.MAX_CONTRACTS_PER_MARKET, EngineRule.MAX_DEPTH_SHARE, EngineRule.MAX_ORDERS_PER_MINUTE)
    assert [limits.value(rule) for rule in rules] == [3_000, 500_000, 600]
    assert limits.problem is None


def test_with_real_money_markets_start_at_five_contracts(capsys: pytest.CaptureFixture[str], settings: Any) -> None:
    settings.KALSHI_ENVIRONMENT = "live"
    seed(capsys)
    assert RiskLimit.objects.get(rule="max_contracts_per_market").value == 5


def test_second_run_changes_and_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    seed(capsys)
    passwords = dict(User.objects.values_list("username", "password"))
    events = AuditEvent.objects.count()

    report = seed(capsys)

    assert [p["password"] for p in report["people"]] == [None] * 5
    assert dict(User.objects.values_list("username", "password")) == passwords
    assert AuditEvent.objects.count() == events
    counts = [m.objects.count() for m in (Account, StrategyConfig, StrategyVersion, ParameterSet, RiskLimit)]
    assert counts == [1, 1, 1, 1, 10]


def test_what_people_changed_stays(capsys: pytest.CaptureFixture[str]) -> None:
    seed(capsys)
    RiskLimit.objects.filter(rule="max_order_dollars").update(value=7)
    StrategyConfig.objects.update(is_enabled=False, markets=["KXHIGHNY"])
    User.objects.get(username="craig").groups.clear()

    seed(capsys)

    assert RiskLimit.objects.get(rule="max_order_dollars").value == 7
    config = StrategyConfig.objects.get()
    assert (config.is_enabled, config.markets) == (False, ["KXHIGHNY"])
    assert not User.objects.get(username="craig").groups.exists()


def test_scope_can_be_named_and_its_change_is_audited(capsys: pytest.CaptureFixture[str]) -> None:
    assert seed(capsys, "--markets", "KXSIM", "KXBTC15M")["markets"] == ["KXSIM", "KXBTC15M"]
    assert seed(capsys)["markets"] == ["KXSIM", "KXBTC15M"]
    assert seed(capsys, "--markets", "KXSIM")["markets"] == ["KXSIM"]
    event = AuditEvent.objects.filter(action="trading.strategy_config.seed").first()
    assert event is not None
    assert event.before["markets"] == ["KXSIM", "KXBTC15M"]
    assert event.after["markets"] == ["KXSIM"]


def test_new_code_becomes_a_version_on_the_simulator(capsys: pytest.CaptureFixture[str]) -> None:
    seed(capsys)
    StrategyVersion.objects.update(code_hash="0" * 64)

    seed(capsys)

    config = StrategyConfig.objects.get()
    assert config.version.code_hash == STRATEGIES["maker_inside"].code_hash
    assert StrategyVersion.objects.count() == 2
    event = AuditEvent.objects.filter(action="trading.strategy_config.seed").first()
    assert event is not None
    assert event.before["code_hash"] == "0" * 64
    assert parameters_in_force(config).number == 1


def test_stored_values_the_code_reads_differently_are_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    seed(capsys)
    for broken in ({"params_hash": "0" * 64}, {"values": {"gamma": "1"}}):
        ParameterSet.objects.update(**broken)
        seed(capsys)
        in_force = parameters_in_force(StrategyConfig.objects.get())
        assert parameters_complete(kernel="maker_inside", values=in_force.values) == in_force.values
    assert in_force.number == 3


def test_outside_the_simulator_nothing_is_switched_on_or_moved(
    capsys: pytest.CaptureFixture[str], settings: Any
) -> None:
    settings.KALSHI_ENVIRONMENT = "demo"
    assert seed(capsys)["enabled"] is False
    StrategyVersion.objects.update(code_hash="0" * 64)
    seed(capsys, "--markets", "KXOTHER")
    config = StrategyConfig.objects.get()
    assert (config.version.code_hash, config.markets, config.is_enabled) == ("0" * 64, ["KXBTC15M"], False)


def test_account_of_another_environment_is_never_taken_over(capsys: pytest.CaptureFixture[str], settings: Any) -> None:
    seed(capsys)
    settings.KALSHI_ENVIRONMENT = "live"
    with pytest.raises(CommandError, match="simulated"):
        seed(capsys)
    settings.KALSHI_ENVIRONMENT = "moon"
    with pytest.raises(CommandError, match="moon"):
        seed(capsys)


def test_password_file_is_for_its_owner_and_keeps_earlier_passwords(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "run" / "passwords.json"
    first = seed(capsys, "--password-file", str(path))
    kept = json.loads(path.read_text())
    assert kept == {p["username"]: p["password"] for p in first["people"]}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    User.objects.filter(username="viewer").delete()
    second = seed(capsys, "--password-file", str(path))
    new = {p["username"]: p["password"] for p in second["people"] if p["password"]}
    assert list(new) == ["viewer"]
    assert json.loads(path.read_text()) == kept | new


def test_password_that_cannot_be_kept_creates_nobody(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(CommandError):
        seed(capsys, "--password-file", str(tmp_path))
    assert not User.objects.exists()


def test_lines_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("seed_demo")
    call_command("seed_demo")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    assert lines[5] == "One tick inside the spread on main (simulated): enabled, markets KXBTC15M"
    assert lines[6].endswith("(exists; its password was shown when it was created)")
