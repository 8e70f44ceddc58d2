"""Who runs here: a lock that the kernel drops when its holders die, and the list of processes they started."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .errors import LauncherError
from .processes import Process, born

_GRACE_S = 90.0


class AlreadyRunning(LauncherError):
    """Another launcher holds this run directory."""


@dataclass
class Registry:
    """The lock and the process list of one run directory."""

    run_dir: Path
    lock_fd: int = -1
    _owner: dict[str, object] = field(default_factory=dict)

    def acquire(self) -> None:
        """Takes the lock, waiting for an earlier run that is still ending. Raises AlreadyRunning."""
        self.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self.run_dir / "launcher.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + _GRACE_S
        while not _try_lock(fd):
            owner = self.read_owner()
            if _is_running(owner):
                os.close(fd)
                where = owner.get("address") or "an address it has not announced yet"
                raise AlreadyRunning(f"kalshiops is already running at {where} (process {owner['pid']}).")
            if time.monotonic() > deadline:
                os.close(fd)
                raise LauncherError("An earlier run is still stopping; try again in a moment.")
            time.sleep(0.1)
        self.lock_fd = fd

    def leftovers(self) -> list[Process]:
        """Processes of an earlier run that outlived it. Call with the lock held."""
        return [process for process in self.read_processes() if born(process.pid) == process.born]

    def write_owner(self, *, address: str) -> None:
        self._owner = {"pid": os.getpid(), "born": born(os.getpid()), "address": address}
        _write(self.run_dir / "launcher.json", self._owner)

    def write_processes(self, processes: Sequence[Process]) -> None:
        _write(self.run_dir / "processes.json", [asdict(process) for process in processes])

    def read_owner(self) -> dict[str, object]:
        found = _read(self.run_dir / "launcher.json")
        return found if isinstance(found, dict) else {}

    def read_processes(self) -> list[Process]:
        found = _read(self.run_dir / "processes.json")
        try:
            return [Process(**row) for row in found] if isinstance(found, list) else []
        except TypeError:
            return []

    def release(self) -> None:
        for name in ("launcher.json", "processes.json"):
            (self.run_dir / name).unlink(missing_ok=True)
        if self.lock_fd >= 0:
            os.close(self.lock_fd)
            self.lock_fd = -1


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_running(owner: dict[str, object]) -> bool:
    pid = owner.get("pid")
    return isinstance(pid, int) and born(pid) == owner.get("born")


def _write(path: Path, content: object) -> None:
    """Whole or not at all, so that a launcher killed here leaves a readable list."""
    fresh = path.with_name(path.name + ".new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as handle:
        json.dump(content, handle)
    os.replace(fresh, path)


def _read(path: Path) -> object:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
