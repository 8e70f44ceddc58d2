"""Starting and stopping the platform's processes, with stub children and a real launcher process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.launcher.processes import born
from deploy.launcher.registry import AlreadyRunning, Registry

from .stub_platform import ROOT

GOOD = ("web:0:good", "trading:1:good", "exchange:2:good", "redis:3:good")


class Launcher:
    """One launcher process over stub children; everything it printed is in `output`."""

    def __init__(self, run_dir: Path, *children: str) -> None:
        self.run_dir = run_dir
        self.log = run_dir.parent / f"launcher-{time.monotonic_ns()}.log"
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "tests.deploy.stub_platform", str(run_dir), *children],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.log.read_text()

    def ready(self) -> Launcher:
        until(lambda: "all ready" in self.output, self)
        return self

    def children(self) -> list[int]:
        return [process.pid for process in Registry(self.run_dir).read_processes()]

    def events(self) -> list[str]:
        return (self.run_dir / "events").read_text().splitlines()

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.popen.send_signal(number)
        return self.popen.wait(timeout=20)


def until(condition: Callable[[], bool], launcher: Launcher | None = None) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, launcher.output if launcher else "the condition did not come true"
        time.sleep(0.02)


def gone(pids: list[int]) -> bool:
    return all(born(pid) is None for pid in pids)


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Launcher]]:
    launched: list[Launcher] = []

    def start(*children: str) -> Launcher:
        launched.append(Launcher(tmp_path / "run", *children))
        return launched[-1]

    yield start
    for launcher in launched:
        launcher.popen.kill()
        launcher.popen.wait()
    until(lambda: gone([pid for launcher in launched for pid in launcher.children()]))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_children_start_in_order_and_stop_by_stage(launch: Callable[..., Launcher], number: int) -> None:
    launcher = launch(*GOOD).ready()
    pids = launcher.children()
    assert len(pids) == 4
    assert launcher.stop(number) == 0
    names = ("web", "trading", "exchange", "redis")
    assert launcher.events() == [f"start {name}" for name in names] + [f"stop {name}" for name in names]
    assert gone(pids)
    assert launcher.children() == []


def test_second_start_says_where_it_runs_and_changes_nothing(launch: Callable[..., Launcher]) -> None:
    first = launch(*GOOD).ready()
    pids = first.children()
    second = launch(*GOOD)
    assert second.popen.wait(timeout=20) == 1
    assert f"already running at http://127.0.0.1:8000/ (process {first.popen.pid})" in second.output
    assert first.children() == pids
    assert not any(gone([pid]) for pid in pids)
    assert first.stop() == 0


def test_start_after_stop_works(launch: Callable[..., Launcher]) -> None:
    assert launch(*GOOD).ready().stop() == 0
    again = launch(*GOOD).ready()
    assert "ended what an earlier run left" not in again.output
    assert again.stop() == 0


def test_killed_launcher_leaves_no_child_and_stops_them_in_order(launch: Callable[..., Launcher]) -> None:
    launcher = launch(*GOOD).ready()
    pids = launcher.children()
    launcher.popen.kill()
    until(lambda: gone(pids))
    assert launcher.events()[4:] == ["stop web", "stop trading", "stop exchange", "stop redis"]
    again = launch(*GOOD).ready()
    assert again.stop() == 0


def test_killed_launcher_and_guard_are_cleared_by_the_next_start(launch: Callable[..., Launcher]) -> None:
    launcher = launch("web:0:good").ready()
    orphans = launcher.children()
    for pid in guards_of(launcher.popen.pid):
        os.kill(pid, signal.SIGKILL)
    launcher.popen.kill()
    launcher.popen.wait()
    assert not gone(orphans)
    again = launch("web:0:good").ready()
    assert "ended what an earlier run left: web" in again.output
    assert gone(orphans)
    assert again.stop() == 0


def guards_of(pid: int) -> list[int]:
    shown = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in shown.splitlines()]
    return [int(row[0]) for row in rows if int(row[1]) == pid and "deploy.launcher.guard" in row[2]]


def test_child_that_ignores_the_signal_is_killed_after_its_time(launch: Callable[..., Launcher]) -> None:
    launcher = launch("trading:1:stubborn", "redis:3:good").ready()
    pids = launcher.children()
    assert launcher.stop() == 0
    assert gone(pids)
    assert launcher.events()[-1] == "stop redis"


def test_grandchildren_end_with_their_parent(launch: Callable[..., Launcher]) -> None:
    launcher = launch("web:0:fork").ready()
    left = next(int(line.split()[1]) for line in launcher.events() if line.startswith("forked"))
    assert born(left) is not None
    assert launcher.stop() == 0
    assert gone([left])


def test_terminal_that_went_away_does_not_keep_the_children_alive(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "tests.deploy.stub_platform", str(tmp_path / "run"), *GOOD]
    launcher = subprocess.Popen(command, cwd=ROOT, stdout=writing, stderr=subprocess.DEVNULL, start_new_session=True)
    os.close(writing)
    os.close(reading)
    until(lambda: len(Registry(tmp_path / "run").read_processes()) == len(GOOD))
    pids = [process.pid for process in Registry(tmp_path / "run").read_processes()]
    launcher.send_signal(signal.SIGHUP)
    launcher.wait(timeout=20)
    assert gone(pids)


def test_dead_child_is_reported_and_restarted(launch: Callable[..., Launcher]) -> None:
    launcher = launch(*GOOD).ready()
    victim = launcher.children()[0]
    os.killpg(victim, signal.SIGKILL)
    until(lambda: launcher.events().count("start web") == 2, launcher)
    assert "web was ended by signal 9 unexpectedly" in launcher.output
    assert launcher.stop() == 0


def test_child_that_keeps_dying_ends_the_run_with_its_log(launch: Callable[..., Launcher]) -> None:
    launcher = launch("redis:3:good", "web:0:dies")
    assert launcher.popen.wait(timeout=20) == 1
    assert "web ended with code 3 unexpectedly" in launcher.output
    assert "web | cannot find the thing it needs" in launcher.output
    assert launcher.events()[-1] == "stop redis"


def test_stale_owner_file_does_not_block_a_start(tmp_path: Path) -> None:
    (tmp_path / "launcher.json").write_text('{"pid": 1, "born": "another time", "address": "http://127.0.0.1:1/"}')
    (tmp_path / "processes.json").write_text(
        '[{"name": "web", "pid": 1, "born": "x", "stage": 0, "stop_timeout_s": 1}]'
    )
    registry = Registry(tmp_path)
    registry.acquire()
    assert registry.leftovers() == []
    registry.release()


@pytest.mark.parametrize("content", ["", "{", '{"name": "web"}', "[1]", '[{"pid": 1}]'])
def test_damaged_process_list_is_read_as_empty(tmp_path: Path, content: str) -> None:
    (tmp_path / "processes.json").write_text(content)
    assert Registry(tmp_path).leftovers() == []


def test_lock_is_refused_while_its_owner_lives(tmp_path: Path) -> None:
    first = Registry(tmp_path)
    first.acquire()
    first.write_owner(address="http://127.0.0.1:8001/")
    with pytest.raises(AlreadyRunning, match=r"http://127\.0\.0\.1:8001/"):
        Registry(tmp_path).acquire()
    first.release()
