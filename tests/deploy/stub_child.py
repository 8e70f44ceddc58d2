"""A child for launcher tests: notes its start and its end, and misbehaves as its mode says.

    stub_child.py NAME EVENTS_FILE MODE

Modes: `good`, `stubborn` (ignores SIGTERM), `fork` (leaves a child of its own), `dies` (ends at once with code 3).
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path


def main() -> None:
    name, events, mode = sys.argv[1:]

    def note(what: str) -> None:
        with Path(events).open("a") as handle:
            handle.write(f"{what} {name}\n")

    def end(*_: object) -> None:
        note("stop")
        sys.exit(0)

    signal.signal(signal.SIGTERM, signal.SIG_IGN if mode == "stubborn" else end)
    if mode == "fork":
        left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        note(f"forked {left.pid}")
    note("start")
    print("ready.", flush=True)
    if mode == "dies":
        print("cannot find the thing it needs", flush=True)
        sys.exit(3)
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
