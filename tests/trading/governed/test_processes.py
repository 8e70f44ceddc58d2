"""A mixture of releases is found by what every process tells, and sends nothing; the session runs what was approved."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User

from apps.core import processes
from apps.core.processes import ProcessReport, Reporter, disagreements, reporting, reports_known, reports_read
from apps.core.release import hash_of, tree_hash
from apps.trading.choices import Rung
from apps.trading.execution.switchboard import MIXTURE
from apps.trading.models import StrategyConfig, StrategyRun
from apps.trading.services.ladder import LadderOpen, require_ladder
from apps.trading.services.parameters import parameters_in_force, parameters_propose
from tests import factories
from tests.factories import NOW
from tests.trading.harness import Stage, arrange, query, running

from .steps import WHY, sign

ROOT = Path(settings.BASE_DIR)
OLD = Path(__file__).with_name("old_process.py")
BOUND_S = 5.0


@pytest.fixture(autouse=True)
def no_redis(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Reports of this test alone: a folder of its own, and no server."""
    monkeypatch.setattr(settings, "RUN_DIR", tmp_path)
    monkeypatch.setattr(processes, "_from_redis", list)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def report(name: str = "web", **fields: Any) -> ProcessReport:
    values: dict[str, Any] = {
        "host": "elsewhere",
        "pid": 1,
        "at_ms": now_ms(),
        "release": "v1",
        "tree": "t1",
        "code": "c1",
    }
    return ProcessReport(name=name, **(values | fields))


@contextmanager
def old_process() -> Iterator[float]:
    """A real process with another release in the same run directory; yields when it began to report."""
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "kalshiops.settings",
        "KALSHIOPS_RUN_DIR": str(settings.RUN_DIR),
        "KALSHIOPS_RELEASE": "the-old-one",
        "SECRET_KEY": settings.SECRET_KEY,
        "PYTHONPATH": str(ROOT),
    }
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, str(OLD)], stdin=pipe, stdout=pipe, env=environment, cwd=ROOT) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"reporting\n"
        try:
            yield time.monotonic()
        finally:
            child.communicate(timeout=20)


def test_processes_that_agree_say_nothing() -> None:
    assert disagreements([report(), report("beat", pid=2), report("guardian", pid=3)]) == ()
    assert disagreements([]) == ()


@pytest.mark.parametrize("field", ["release", "tree", "code"])
def test_one_that_differs_in_anything_is_named(field: str) -> None:
    found = disagreements([report(), report("beat"), report("guardian", host="other", **{field: "old"})])
    assert len(found) == 2
    odd = next(text for text in found if "old" in text)
    assert odd.endswith(" in guardian (other, process 1)")


def test_what_is_silent_or_gone_does_not_count() -> None:
    here = processes.socket.gethostname()
    processes.report_write(report("silent", at_ms=now_ms() - 16_000))
    processes.report_write(report("killed", host=here, pid=2**22 - 3))
    processes.report_write(report("alive", host=here, pid=os.getpid()))
    (processes.folder() / "broken.json").write_text("{")
    assert [r.name for r in reports_read(now_ms())] == ["alive"]


def test_a_process_that_ends_in_order_takes_its_report_back() -> None:
    with reporting("web") as reporter:
        assert [r.name for r in reports_known()] == ["web"]
        assert reporter.known[0].tree == tree_hash()
    assert reports_known() == ()
    assert reports_read(now_ms()) == ()


def test_other_parameters_are_told_at_once() -> None:
    parameters = {"1": "a"}
    reporter = Reporter("session", parameters=lambda: parameters)
    reporter.step(now_ms())
    parameters = {"1": "b"}
    reporter.step(now_ms())
    assert [r.parameters for r in reporter.known] == [{"1": "b"}]


def test_a_report_is_read_back_as_it_was_written() -> None:
    written = report(parameters={"7": "f" * 64})
    assert processes._decoded(json.dumps(asdict(written)).encode()) == written
    assert processes._decoded(b"[]") is None


def test_the_hash_of_the_files_moves_with_any_of_them(tmp_path: Path) -> None:
    for name in ("apps/a.py", "templates/a.html", "apps/README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    before = hash_of(tmp_path)
    (tmp_path / "apps/README.md").write_text("y")
    assert hash_of(tmp_path) == before
    (tmp_path / "templates/a.html").write_text("y")
    assert hash_of(tmp_path) != before


@pytest.mark.django_db
def test_a_mixture_stops_arming_even_on_the_simulator(config: StrategyConfig) -> None:
    processes.report_write(report())
    require_ladder(config, now=NOW, rung=Rung.SIMULATED)
    processes.report_write(report("beat", release="v0"))
    with pytest.raises(LadderOpen, match="2 run 2 different releases"):
        require_ladder(config, now=NOW, rung=Rung.SIMULATED)


@pytest.mark.django_db(transaction=True)
async def test_a_process_of_an_old_release_shuts_the_gate_within_five_seconds() -> None:
    account = await query(arrange)()
    async with running(account) as stage:
        with reporting("session of main"):
            await open_gate(stage)
            with old_process() as since:
                await stage.until(lambda: MIXTURE in stage.session.context.gate.blocks, "shut")
                assert time.monotonic() - since < BOUND_S
                said = stage.session.context.gate.closed_because()
                assert said is not None
                assert "release the-old-one" in said
                assert "in web" in said
                board = stage.session.trader.switchboard
                seen = board.account.versions(board.lookup.present, stage.clock.now_ms())
                assert seen is not None
                assert any("the-old-one" in text for text in seen.disagreements or ())
            await stage.until(lambda: MIXTURE not in stage.session.context.gate.blocks, "open again")


async def open_gate(stage: Stage) -> None:
    await stage.until(lambda: stage.session.trader.switchboard.lookup.present is not None, "settings read")
    assert MIXTURE not in stage.session.context.gate.blocks


@pytest.mark.django_db(transaction=True)
async def test_the_session_runs_exactly_what_was_approved_within_five_seconds() -> None:
    account, people = await query(arrange)(), await query(boss_and_trader)()
    config = await query(account.strategy_configs.select_related("version__strategy", "account").get)()
    async with running(account) as stage:
        desks = stage.session.trader.desks
        await stage.until(desks.parameters, "armed")
        request = await query(parameters_propose)(
            config=config, values={"MM_MIN_SPREAD_CENTS": "1"}, reason=WHY, actor=people["scalper"], now=NOW
        )
        await query(sign)(request, people["craig"])
        signed_at = time.monotonic()
        wanted = (await query(parameters_in_force)(config)).params_hash
        await stage.until(lambda: desks.parameters() == {str(config.pk): wanted}, "the approved set")
        assert time.monotonic() - signed_at < BOUND_S
        assert request.params_hash == wanted
        await stage.until(lambda: stage.session.context.journal.backlog == 0, "stored")
        runs = await query(runs_stored)()
    assert [(number, ended is None) for number, ended in runs] == [(1, False), (2, True)]


def runs_stored() -> list[tuple[int, Any]]:
    return list(StrategyRun.objects.order_by("id").values_list("parameters__number", "ended_at"))


def boss_and_trader() -> dict[str, User]:
    from django.contrib.auth.models import Group

    from apps.governance.services.roles import roles_sync
    from kalshiops.roles import roles

    roles_sync(roles=roles(), now=NOW, actor_label="system:test")
    people = {"craig": factories.user("craig"), "scalper": factories.user("scalper")}
    people["craig"].groups.add(Group.objects.get(name="boss"))
    people["scalper"].groups.add(Group.objects.get(name="trader"))
    return people


def test_reports_differ_only_by_what_runs() -> None:
    one = report()
    assert one.build == replace(one, name="beat", pid=9, parameters={"1": "x"}).build
