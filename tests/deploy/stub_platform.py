"""A launcher over stub children, for tests that kill it: RUN_DIR, then NAME:STAGE:MODE for each child."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

from deploy.launcher.errors import LauncherError, StopRequested
from deploy.launcher.registry import Registry
from deploy.launcher.screen import Screen
from deploy.launcher.signals import StopWish
from deploy.launcher.supervisor import Program, Supervisor

ROOT = Path(__file__).resolve().parents[2]


def programs(run_dir: Path, specifications: list[str]) -> list[Program]:
    made = []
    for specification in specifications:
        name, stage, mode = specification.split(":")
        command = [sys.executable, str(ROOT / "tests/deploy/stub_child.py"), name, str(run_dir / "events"), mode]
        made.append(
            Program(name, command, int(stage), lambda log: b"ready." in log.read_bytes(), 10, stop_timeout_s=0.5)
        )
    return made


def main() -> int:
    run_dir = Path(sys.argv[1])
    wish = StopWish()
    wish.install()
    registry = Registry(run_dir)
    try:
        registry.acquire()
        registry.write_owner(address="http://127.0.0.1:8000/")
        supervisor = Supervisor(registry, dict(os.environ), ROOT, Screen(sys.stdout), wish, back_off_s=(0.05, 0.05))
        with supervisor:
            for program in programs(run_dir, sys.argv[2:]):
                supervisor.start(program)
            print("all ready", flush=True)
            supervisor.watch()
    except StopRequested:
        return 0
    except LauncherError as error:
        print(error, flush=True)
        return 1
    finally:
        if registry.lock_fd >= 0:
            registry.release()
    return 0


def quiet_screen() -> Screen:
    return Screen(io.StringIO())


if __name__ == "__main__":
    sys.exit(main())
