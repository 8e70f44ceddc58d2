"""Outlives a launcher that was killed: waits until its pipe closes, then ends in order what the launcher left.

It inherits the launcher's lock, so that no second start can begin before the first is really over.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from .processes import stop_all
from .registry import Registry


def start(run_dir: Path, lock_fd: int) -> subprocess.Popen[bytes]:
    """Started before any child; closing its standard input ends it."""
    return subprocess.Popen(
        [sys.executable, "-m", "deploy.launcher.guard", str(run_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[lock_fd],
        start_new_session=True,
        cwd=Path(__file__).resolve().parents[2],
    )


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 1):
        pass
    stop_all(Registry(Path(sys.argv[1])).leftovers())


if __name__ == "__main__":
    main()
