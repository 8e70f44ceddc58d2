"""The browser that the browser tests drive: the system's, installed when root finds it missing."""

from __future__ import annotations

import os
import shutil
import subprocess

from .errors import LauncherError

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_HINT = "Browser tests need Chromium on PATH (Debian: apt-get install chromium)."


def ensure() -> str:
    """Its path. Raises LauncherError where it is missing and cannot be installed."""
    if found := _find():
        return found
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise LauncherError(_HINT)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (("update", "-qq"), ("install", "-y", "-qq", "--no-install-recommends", "chromium")):
        finished = subprocess.run(["apt-get", *arguments], env=environment, capture_output=True, text=True, check=False)
        if finished.returncode:
            raise LauncherError(f"{_HINT}\napt-get {arguments[0]}: {finished.stderr.strip()[-500:]}")
    if found := _find():
        return found
    raise LauncherError(_HINT)


def _find() -> str | None:
    return next((found for name in _NAMES if (found := shutil.which(name))), None)
