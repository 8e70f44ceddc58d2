"""The virtual environment: made once, installed again only when a requirements file changed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # pragma: no cover
    sys.exit("kalshiops runs on Linux and macOS; this system has no fcntl.")

from .errors import LauncherError
from .screen import Screen

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = {
    "run": (ROOT / "requirements.txt",),
    "test": (ROOT / "requirements.txt", ROOT / "tests" / "requirements.txt"),
}


def ensure(kind: str, screen: Screen) -> None:
    """Makes `.venv` hold what `kind` ("run" or "test") needs. Raises LauncherError with pip's last lines."""
    with _only_one(), screen.step("environment") as step:
        if not _works():
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
        version = _venv_version()
        wanted = fingerprint(kind, version)
        if _stamps().get(kind) != wanted:
            _install(kind)
            _write_stamp(kind, wanted)
        step.result = f"Python {version}"


def fingerprint(kind: str, version: str) -> str:
    """Changes whenever a requirements file of `kind` or the interpreter does."""
    digest = hashlib.sha256(version.encode())
    for path in REQUIREMENTS[kind]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


@contextmanager
def _only_one() -> Iterator[None]:
    """Two launchers started together must not install into one environment at the same time."""
    lock = ROOT / ".run" / "environment.lock"
    lock.parent.mkdir(mode=0o700, exist_ok=True)
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _works() -> bool:
    """False for a missing, half-made or moved environment, and for a Python outside the supported range."""
    probe = "import sys, pip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))"
    try:
        return subprocess.run([str(PYTHON), "-c", probe], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _venv_version() -> str:
    probe = "import platform; print(platform.python_version())"
    return subprocess.run([str(PYTHON), "-c", probe], capture_output=True, text=True, check=True).stdout.strip()


def _install(kind: str) -> None:
    log = ROOT / ".run" / "pip.log"
    command = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    for path in REQUIREMENTS[kind]:
        command += ["-r", str(path)]
    with log.open("w") as output:
        finished = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT, check=False)
    if finished.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise LauncherError(f"pip could not install the requirements (whole log: {log}):\n{tail}")


def _stamps() -> dict[str, str]:
    try:
        return dict(json.loads((VENV / "installed.json").read_text()))
    except (OSError, ValueError):
        return {}


def _write_stamp(kind: str, value: str) -> None:
    stamps = _stamps() | {kind: value}
    if kind == "test":  # the test requirements include the others
        stamps["run"] = fingerprint("run", _venv_version())
    path = VENV / "installed.json"
    path.with_suffix(".new").write_text(json.dumps(stamps))
    os.replace(path.with_suffix(".new"), path)
