"""`deploy/test`: every check in order, each with its result and time; a failed one does not hide the next."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from . import chromium, postgres
from .environment import ROOT
from .errors import LauncherError, StopRequested
from .registry import Registry
from .screen import Screen
from .signals import StopWish
from .steps import Step, steps
from .supervisor import Supervisor

LOG_DIR = ROOT / ".run" / "test-logs"
_TAIL_LINES = 80
_STEP_LIMIT_S = 1800.0
# A developer's or a machine's own settings must not change what the tests test.
_DROPPED_PREFIXES = ("KALSHI", "DJANGO_", "PYTEST_", "SECURE_")
_DROPPED = ("DATABASE_URL", "REDIS_URL", "TEST_DATABASE_URL", "SECRET_KEY", "DEBUG", "PYTHONPATH", "VIRTUAL_ENV")


@dataclass
class Suite:
    """One run of the checks; what it starts itself ends with `resources`."""

    screen: Screen
    wish: StopWish
    work_dir: Path
    resources: ExitStack
    failed: list[str] = field(default_factory=list)
    _provided: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def run(self, chosen: Sequence[Step]) -> None:
        for number, step in enumerate(chosen, 1):
            self.wish.check()
            self.screen.line(f"── {number}/{len(chosen)} {step.name}")
            begun = time.monotonic()
            try:
                code = self._execute(step)
            except LauncherError as error:
                self.screen.line(str(error))
                code = 1
            if code:
                self.failed.append(step.name)
            self.screen.line(f"   {'FAILED' if code else 'passed'} in {time.monotonic() - begun:.1f} s")

    def _execute(self, step: Step) -> int:
        environment = {**self._environment(), **self._provide(step.needs), **step.environment}
        log = LOG_DIR / f"{step.name.replace(' ', '_')}.log"
        log.unlink(missing_ok=True)
        code = 0
        for command in step.commands:
            code = code or self._command(command, environment, log)
        lines = log.read_text(errors="replace").splitlines()
        for line in lines[-_TAIL_LINES:] if code else lines[-1:]:
            self.screen.line(line)
        return code

    def _command(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> int:
        with log.open("ab") as output:
            popen = subprocess.Popen(
                list(command),
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._wait(popen)
        return popen.returncode

    def _wait(self, popen: subprocess.Popen[bytes]) -> None:
        """Raises LauncherError for a step that hangs and StopRequested at a wish to stop; both end its processes."""
        deadline = time.monotonic() + _STEP_LIMIT_S
        try:
            while popen.poll() is None:
                if time.monotonic() > deadline:
                    raise LauncherError(f"not finished after {_STEP_LIMIT_S:.0f} s")
                self.wish.sleep(0.1)
        finally:
            if popen.poll() is None:
                _end(popen)

    def _environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in _DROPPED and not name.startswith(_DROPPED_PREFIXES)
        }
        return kept | {"KALSHIOPS_RUN_DIR": str(self.work_dir / "run")}

    def _provide(self, need: str) -> Mapping[str, str]:
        """Starts what a step needs, once. Raises LauncherError: a missing part fails the step."""
        if need and need not in self._provided:
            self._provided[need] = self._start(need)
        return self._provided.get(need, {})

    def _start(self, need: str) -> Mapping[str, str]:
        if need == "chromium":
            chromium.ensure()
            return {}
        registry = Registry(self.work_dir / need)
        registry.acquire()
        self.resources.callback(registry.release)
        supervisor = self.resources.enter_context(
            Supervisor(registry, self._environment(), ROOT, self.screen, self.wish)
        )
        return {"TEST_DATABASE_URL": self.resources.enter_context(postgres.cluster(supervisor))}


def _end(popen: subprocess.Popen[bytes]) -> None:
    os.killpg(popen.pid, signal.SIGTERM)
    try:
        popen.wait(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(popen.pid, signal.SIGKILL)
        popen.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    chosen = [step for step in steps() if not options.steps or step.name in options.steps]
    screen = Screen(sys.stdout)
    if options.list:
        for step in chosen:
            screen.line(step.name)
        return 0
    LOG_DIR.mkdir(parents=True, exist_ok=True)
    wish = StopWish()
    wish.install()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kops-test-") as name, ExitStack() as resources:
        suite = Suite(screen, wish, Path(name), resources)
        try:
            suite.run(chosen)
        except StopRequested:
            return 130
    took = f"in {time.monotonic() - begun:.0f} s"
    if suite.failed:
        screen.line(f"FAILED {took}: {', '.join(suite.failed)} (whole output: {LOG_DIR})")
        return 1
    screen.line(f"All {len(chosen)} checks passed {took}.")
    return 0


def _parser() -> argparse.ArgumentParser:
    names = [step.name for step in steps()]
    parser = argparse.ArgumentParser(prog="deploy/test", description=__doc__)
    parser.add_argument("steps", nargs="*", metavar="STEP", help=f"run only these: {', '.join(names)}")
    parser.add_argument("--list", action="store_true", help="name the steps and stop")
    return parser


if __name__ == "__main__":
    sys.exit(main())
