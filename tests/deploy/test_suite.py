"""`deploy/test` itself: a failure is never hidden, and never hides what comes after it."""

from __future__ import annotations

import io
import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from deploy.launcher import suite as suites
from deploy.launcher.errors import LauncherError, StopRequested
from deploy.launcher.processes import born
from deploy.launcher.screen import Screen
from deploy.launcher.signals import StopWish
from deploy.launcher.steps import Step, steps
from deploy.launcher.suite import Suite


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Suite:
    monkeypatch.setattr(suites, "LOG_DIR", tmp_path)
    return Suite(Screen(io.StringIO()), StopWish(), tmp_path, ExitStack())


def shown(suite: Suite) -> str:
    assert isinstance(suite.screen.stream, io.StringIO)
    return suite.screen.stream.getvalue()


def test_failed_step_is_remembered_and_the_next_still_runs(suite: Suite) -> None:
    suite.run([Step("first", [python("print('because'); raise SystemExit(5)")]), Step("second", [python("print(7)")])])
    assert suite.failed == ["first"]
    assert "because" in shown(suite)
    assert "passed" in shown(suite).split("second")[1]


def test_command_after_a_failed_one_of_the_same_step_does_not_run(suite: Suite, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    suite.run([Step("both", [python("raise SystemExit(1)"), python(f"open({str(mark)!r}, 'w')")])])
    assert suite.failed == ["both"]
    assert not mark.exists()


def test_missing_part_fails_the_step_and_is_named(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise LauncherError("there is no browser here")

    monkeypatch.setattr(suites.chromium, "ensure", missing)
    suite.run([Step("browser", [python("print('not reached')")], needs="chromium")])
    assert suite.failed == ["browser"]
    assert "there is no browser here" in shown(suite)
    assert "not reached" not in shown(suite)


def test_a_developers_own_settings_do_not_reach_the_tests(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "REDIS_URL", "KALSHI_API_URL", "KALSHIOPS_PORT", "DJANGO_SETTINGS_MODULE"):
        monkeypatch.setenv(name, "from outside")
    monkeypatch.setenv("KALSHIOPS_RUN_DIR", "from outside")
    suite.run([Step("environment", [python("import os; assert 'from outside' not in os.environ.values()")])])
    assert suite.failed == []


def test_wish_to_stop_ends_the_running_step(suite: Suite, tmp_path: Path) -> None:
    code = f"import os, signal, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); "
    code += f"os.kill({os.getpid()}, signal.SIGUSR1); time.sleep(600)"

    before = signal.signal(signal.SIGUSR1, lambda *_: setattr(suite.wish, "count", 1))
    try:
        with pytest.raises(StopRequested):
            suite.run([Step("endless", [python(code)])])
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert born(int((tmp_path / "pid").read_text())) is None


def test_everything_that_must_be_checked_is_a_step() -> None:
    names = [step.name for step in steps()]
    assert len(names) == len(set(names))
    wanted = {"ruff", "imports", "types", "django", "migrations", "tests on SQLite", "tests on PostgreSQL"}
    assert wanted | {"conformance", "browser", "smoke"} <= set(names)
