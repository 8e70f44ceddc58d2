"""Runs a path unharmed, then once for each of its steps with the kill there, a successor and a comparison."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections

from apps.risk.guardian import heartbeat

from . import compare, ground, market, worker
from .operators import answer
from .paths import Path as OrderPath
from .steps import wanted

# Far beyond what a run takes: many of them share the machine.
LIMIT_S = 120.0
# The same call a third time on one path shows nothing that the first two did not.
MOST_OF_A_NAME = 2
UNHARMED = "unharmed"
BEAT_S = 0.5
SAID = 200
KEEP_DATABASES = bool(os.environ.get("CRASH_KEEP"))


@dataclass
class Outcome:
    """One run. `reached` is False when the process was through before the step came: it is then a run unharmed."""

    path: str
    step: str
    reached: bool = False
    problems: list[str] = field(default_factory=list)
    end: dict[str, Any] = field(default_factory=dict)
    safe_s: float | None = None
    took_s: float = 0.0


class Run:
    """One exchange, one database, one session after the other."""

    def __init__(self, path: OrderPath, folder: Path, databases: ground.Databases, template: str) -> None:
        self.path = path
        self.folder = folder
        self._databases = databases
        folder.mkdir(parents=True)
        self._database = databases.copy(template, f"run-{folder.parent.name}-{folder.name}".lower())
        self._key = ground.write_key(folder)
        self._beat_at = 0.0
        settings.RUN_DIR = folder
        self._log = folder / "log"
        self._exchange = ground.fork(self._serve, self._log)

    def _serve(self) -> None:
        market.serve(self.folder, self.path.script, ground.CREDENTIAL)
        ground.note_modules(self.folder)

    def session(self, name: str, die_at: str | None) -> tuple[bool, worker.Order]:
        """True when it was killed at `die_at`, False when it ended by itself; raises `ProcessFailed`."""
        order = worker.Order(self.folder, name, die_at, self.folder / market.KILL, self.path.shortened)
        port = self._port()

        def work() -> None:
            ground.use(self._database, self.folder)
            ground.connect(port, self._key)
            worker.trade(order, begun)
            ground.note_modules(self.folder)

        begun = time.monotonic()
        status = ground.wait(ground.fork(work, self._log), LIMIT_S, self._operate)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if not killed and status:
            raise ground.ProcessFailed(f"{name} ended with {status}")
        return killed, order

    def end(self) -> tuple[list[str], dict[str, Any]]:
        """Stops the exchange and compares what it knows with what we do; after this nothing may be forked."""
        os.kill(self._exchange, signal.SIGTERM)
        ground.wait(self._exchange, LIMIT_S)
        ground.use(self._database, self.folder)
        exchange = json.loads((self.folder / market.SNAPSHOT).read_text())
        found = compare.problems(exchange), compare.end_state(exchange)
        connections.close_all()
        return found

    def close(self) -> None:
        """Leaves nothing behind but files."""
        with contextlib.suppress(OSError):
            os.kill(self._exchange, signal.SIGKILL)
            os.waitpid(self._exchange, 0)
        if not KEEP_DATABASES:
            self._databases.drop(self._database)

    def _operate(self) -> None:
        """What others do meanwhile: the guardian says every second that it lives, people press buttons."""
        if time.monotonic() - self._beat_at > BEAT_S:
            heartbeat.guardian_beat(time.time_ns() // 1_000_000)
            self._beat_at = time.monotonic()

        def prepared() -> None:
            ground.use(self._database, self.folder)

        answer(self.folder, prepared)

    def _port(self) -> int:
        path = self.folder / market.PORT
        deadline = time.monotonic() + LIMIT_S
        while not path.exists():
            if time.monotonic() > deadline:
                raise ground.ProcessFailed("the exchange does not listen")
            time.sleep(ground.POLL_S)
        return int(path.read_text())


def run_once(path: OrderPath, step: str | None, folder: Path, databases: ground.Databases, template: str) -> Outcome:
    """One run with the kill at `step`, or none."""
    begun = time.monotonic()
    outcome = Outcome(path.name, step or "")
    run = Run(path, folder, databases, template)
    try:
        if path.prelude is not None:
            run.session("prelude", path.prelude)
        outcome.reached, _ = run.session("victim", step)
        last = "victim"
        if outcome.reached:
            last = "successor"
            run.session(last, None)
        times = json.loads((folder / f"{last}.{worker.TIMES}").read_text())
        outcome.safe_s = times.get("safe_s")
        outcome.problems, outcome.end = run.end()
    except (ground.ProcessFailed, OSError, ValueError) as error:
        outcome.problems.append(f"{type(error).__name__}: {error}")
    finally:
        run.close()
    outcome.took_s = time.monotonic() - begun
    return outcome


@dataclass
class Matrix:
    """All runs of some paths, `at_once` of them beside each other."""

    paths: Sequence[OrderPath]
    folder: Path
    databases: ground.Databases
    at_once: int = 6
    most: int = MOST_OF_A_NAME
    say: Callable[[str], None] = lambda line: None
    outcomes: list[Outcome] = field(default_factory=list)
    unharmed: dict[str, Outcome] = field(default_factory=dict)

    def run(self) -> None:
        templates = dict(self._templates())
        self._all((path, None, templates[path.name]) for path in self.paths)
        self.unharmed = {outcome.path: outcome for outcome in self.outcomes}
        for path in self.paths:
            found = self.unharmed[path.name]
            self.say(f"{path.name}: unharmed in {found.took_s:.1f} s")
        ground.load_modules(self.folder / path.slug / UNHARMED for path in self.paths)
        # A path that is not right even unharmed says nothing about kills.
        sound = [path for path in self.paths if not self.unharmed[path.name].problems]
        self._all((path, step, templates[path.name]) for path in sound for step in self._steps(path))
        for outcome in self.outcomes:
            expected = self.unharmed[outcome.path].end
            if not outcome.problems and outcome.end != expected:
                outcome.problems.append(f"ends with {outcome.end}, unharmed with {expected}")

    def _templates(self) -> Iterator[tuple[str, str]]:
        base = self.databases.create("base")
        self._prepare(base, ground.migrate)
        for path in self.paths:
            template = self.databases.copy(base, f"template-{path.name}".replace(" ", "-"))
            self._prepare(template, lambda path=path: ground.arrange(path.script, path.params))  # type: ignore[misc]
            yield path.name, template

    def _prepare(self, database: str, work: Callable[[], None]) -> None:
        def prepared() -> None:
            ground.use(database, self.folder)
            work()

        ground.do(prepared, self.folder / "prepare.log")

    def _steps(self, path: OrderPath) -> list[str]:
        log = self.folder / path.slug / UNHARMED / "victim.steps"
        return wanted(log, self.most, with_start=path.with_start or path.prelude is not None)

    def _all(self, work: Iterator[tuple[OrderPath, str | None, str]]) -> None:
        """Each run is a process of its own, which forks those that it needs."""
        running: dict[int, Path] = {}
        numbers: dict[str, int] = {}
        for path, step, template in work:
            while len(running) >= self.at_once:
                self._collect(running)
            numbers[path.slug] = numbers.get(path.slug, 0) + 1
            folder = self.folder / path.slug / (UNHARMED if step is None else f"{numbers[path.slug]:03}")
            result = self.folder / f"{path.slug}-{folder.name}.json"
            pid = ground.fork(
                lambda: result.write_text(  # noqa: B023  the child has its own copy of everything
                    json.dumps(asdict(run_once(path, step, folder, self.databases, template)))  # noqa: B023
                ),
                self.folder / "runs.log",
            )
            running[pid] = result
        while running:
            self._collect(running)

    def _collect(self, running: dict[int, Path]) -> None:
        pid, status = os.wait()
        result = running.pop(pid)
        if status:
            raise ground.ProcessFailed((self.folder / "runs.log").read_text()[-2000:])
        outcome = Outcome(**json.loads(result.read_text()))
        self.outcomes.append(outcome)
        if outcome.problems:
            text = "; ".join(outcome.problems)
            self.say(f"{outcome.path} at {outcome.step or 'no step'} ({result.stem}): {text[:SAID]}")
