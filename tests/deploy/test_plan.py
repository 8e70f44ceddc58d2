"""Which ports, addresses and environment a start gets."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from deploy.launcher import plan as planning
from deploy.launcher.errors import LauncherError
from deploy.launcher.network import LOOPBACK, free_port
from deploy.launcher.plan import Plan

from .stub_platform import ROOT

OUTSIDE_EXCHANGE = {
    "KALSHI_API_URL": "https://exchange.test/trade-api/v2",
    "KALSHI_WS_URL": "wss://exchange.test/trade-api/ws/v2",
    "KALSHI_ENVIRONMENT": "demo",
    "KALSHI_KEY_ID": "key-1",
    "KALSHI_PRIVATE_KEY_FILE": "key.pem",
}


def make(run_dir: Path, *, is_check: bool = False, **outside: str) -> Plan:
    recording = run_dir / "frames.jsonl"
    recording.touch()
    known = {"KALSHIOPS_RECORDING": str(recording), **outside}
    return planning.make(ROOT, run_dir, lasting_dir=run_dir.parent, outside=known, is_check=is_check)


def test_default_starts_private_redis_and_simulated_exchange(tmp_path: Path) -> None:
    plan = make(tmp_path)
    assert plan.environment["REDIS_URL"] == f"redis://{LOOPBACK}:{plan.redis_port}/0"
    assert plan.environment["KALSHI_API_URL"] == f"http://{LOOPBACK}:{plan.exchange_port}/trade-api/v2"
    assert plan.environment["KALSHI_WS_URL"] == f"ws://{LOOPBACK}:{plan.exchange_port}/trade-api/ws/v2"
    assert plan.environment["KALSHI_ENVIRONMENT"] == "simulated"
    assert plan.database == "SQLite in the run directory"


def test_taken_web_port_moves_to_the_next_free_one(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        plan = make(tmp_path, KALSHIOPS_PORT=str(port))
    assert plan.web_port != port
    assert plan.address == f"http://{LOOPBACK}:{plan.web_port}/"


@pytest.mark.parametrize("value", ["0", "65536", "-1", "eighty", "80.0"])
def test_unusable_port_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(LauncherError, match="KALSHIOPS_PORT must be a port number"):
        make(tmp_path, KALSHIOPS_PORT=value)


def test_team_servers_replace_the_private_ones(tmp_path: Path) -> None:
    plan = make(tmp_path, REDIS_URL="redis://team.test/3", DATABASE_URL="postgres://ops:secret@team.test/kalshiops")
    assert plan.redis_port is None
    assert plan.environment["REDIS_URL"] == "redis://team.test/3"
    assert plan.environment["DATABASE_URL"] == "postgres://ops:secret@team.test/kalshiops"
    assert plan.database == "DATABASE_URL"


def test_outside_exchange_needs_its_whole_configuration(tmp_path: Path) -> None:
    assert make(tmp_path, **OUTSIDE_EXCHANGE).exchange_port is None
    for name in set(OUTSIDE_EXCHANGE) - {"KALSHI_API_URL"}:
        half = {key: value for key, value in OUTSIDE_EXCHANGE.items() if key != name}
        with pytest.raises(LauncherError, match=name):
            make(tmp_path, **half)


def test_check_never_trades_on_an_outside_exchange(tmp_path: Path) -> None:
    plan = make(tmp_path, is_check=True, **OUTSIDE_EXCHANGE)
    assert plan.exchange_port is not None
    assert plan.environment["KALSHI_ENVIRONMENT"] == "simulated"
    assert "exchange.test" not in " ".join(plan.environment.values())


def test_inherited_python_and_settings_do_not_leak_in(tmp_path: Path) -> None:
    plan = make(tmp_path, PYTHONPATH="elsewhere", DJANGO_SETTINGS_MODULE="other.settings")
    assert "PYTHONPATH" not in plan.environment
    assert "DJANGO_SETTINGS_MODULE" not in plan.environment


def test_missing_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(LauncherError, match=r"nothing\.jsonl"):
        make(tmp_path, KALSHIOPS_RECORDING="nothing.jsonl")


def test_simulated_account_stays_with_the_database_that_knows_its_trades(tmp_path: Path) -> None:
    team = "postgres://ops:secret@team.test/kalshiops"
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    own, own_again = make(tmp_path / "one"), make(tmp_path / "one")
    check, other_check = make(tmp_path / "one", DATABASE_URL=team), make(tmp_path / "two", DATABASE_URL=team)
    assert own.exchange_dir == own_again.exchange_dir == tmp_path / "one" / "exchange"
    assert own.environment["KALSHI_KEY_ID"] == own_again.environment["KALSHI_KEY_ID"]
    assert check.exchange_dir == other_check.exchange_dir != own.exchange_dir
    assert check.environment["KALSHI_KEY_ID"] == other_check.environment["KALSHI_KEY_ID"]
    assert "secret" not in str(check.exchange_dir)
    assert make(tmp_path / "two").exchange_dir != own.exchange_dir


def test_platform_env_is_private_and_holds_no_password(tmp_path: Path) -> None:
    plan = make(tmp_path, DATABASE_URL="postgres://ops:secret@team.test/kalshiops")
    path = planning.write_platform_env(plan)
    assert path.stat().st_mode & 0o077 == 0
    assert "secret" not in path.read_text()
    assert f"REDIS_URL={plan.environment['REDIS_URL']}\n" in path.read_text()


def test_free_port_without_a_preference_can_be_bound() -> None:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, free_port()))
