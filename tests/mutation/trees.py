"""Copies of the source tree that mutants are put into, and the processes that run the tests in them.

Each worker has a copy of its own and forks a process per mutant from one that has loaded what the tests import from
other people's packages, which is most of a short test run's time; nothing of the platform itself is loaded before.
"""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = (
    ".git",
    ".venv",
    ".run",
    ".mypy_cache",
    ".ruff_cache",
    "node_modules",
    "__pycache__",
    ".import_linter_cache",
)
LIMIT_S = 100.0
POLL_S = 0.02
# Preloading is why some modules are there before pytest could rewrite their assertions; none of them has any.
OPTIONS = ("-q", "--no-header", "--tb=line", "-W", "ignore::pytest.PytestAssertRewriteWarning")
PRELOADED = (
    "pytest", "_pytest.assertion.rewrite", "pluggy", "pytest_asyncio.plugin", "pytest_django.plugin", "hypothesis",
    "hypothesis.strategies", "django", "django.db.models", "django.contrib.auth.hashers", "django.test",
    "django.test.client", "django.core.management", "django.db.backends.sqlite3.base", "django.contrib.admin",
    "asgiref.sync", "redis.asyncio", "redis", "httpx2", "msgspec", "cryptography.hazmat.primitives.asymmetric.rsa",
    "websockets.asyncio.client", "celery", "kombu", "channels", "channels_redis.pubsub", "environ", "uvicorn", "h11",
    "zoneinfo", "sqlite3", "asyncio", "email", "html.parser", "unittest.mock",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """One file with other text, and the tests (paths or ids) that have to notice."""

    name: str
    path: str
    text: str
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`is_killed`: at least one test failed. `told` is the end of what pytest said, `seconds` how long it took."""

    name: str
    path: str
    is_killed: bool
    seconds: float
    told: str


def preload() -> None:
    """Loads other people's packages, as far as they are there."""
    for name in PRELOADED:
        with suppress(ImportError):
            importlib.import_module(name)


@contextmanager
def tree() -> Iterator[Path]:
    """A copy of the sources without history, environments and caches."""
    with tempfile.TemporaryDirectory(prefix="kops-mutants-") as name:
        copy = Path(name) / "tree"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*LEFT_OUT))
        yield copy


def run_pytest(copy: Path, tests: Sequence[str], *, stop_at_first: bool = True) -> tuple[int, str]:
    """pytest's exit code and the end of its output; a run that hangs counts as failed."""
    log = copy.parent / "out"
    pid = os.fork()
    if not pid:
        _be_pytest(copy, [*(["-x"] if stop_at_first else []), *tests], log)
    deadline = time.monotonic() + LIMIT_S
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            code = os.waitstatus_to_exitcode(status)
            break
        if time.monotonic() > deadline:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            code = 1
            break
        time.sleep(POLL_S)
    return code, log.read_text(errors="replace")[-4000:]


def _be_pytest(copy: Path, arguments: list[str], log: Path) -> None:
    code = 99
    try:
        os.setpgid(0, 0)
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(copy)
        os.environ |= {"PYTHONDONTWRITEBYTECODE": "1", "KALSHIOPS_RUN_DIR": str(copy.parent / "run")}
        sys.dont_write_bytecode = True
        sys.path[:] = [str(copy), *(p for p in sys.path if p and Path(p).resolve() != ROOT)]
        for name in [n for n in sys.modules if n.split(".")[0] in ("apps", "tests", "kalshiops", "deploy")]:
            del sys.modules[name]
        import pytest

        code = pytest.main([*OPTIONS, *arguments])
    except BaseException:  # noqa: BLE001  a child has nobody above it to tell but its log
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(int(code))


def try_mutant(copy: Path, mutant: Mutant) -> Outcome:
    """Puts the mutant in, runs its tests, takes it out again."""
    path = copy / mutant.path
    original, times = path.read_bytes(), path.stat()
    begun = time.monotonic()
    path.write_text(mutant.text, encoding="utf-8")
    try:
        code, told = run_pytest(copy, mutant.tests)
    finally:
        path.write_bytes(original)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    if code not in (0, 1, 2):
        raise RuntimeError(f"{mutant.name}: pytest ended with {code}: {told[-1500:]}")
    return Outcome(mutant.name, mutant.path, code != 0, time.monotonic() - begun, told)


def in_parallel(mutants: Sequence[Mutant], workers: int, say: Callable[[Outcome], None]) -> list[Outcome]:
    """All outcomes in the order of the mutants, which are spread over worker processes as these become free."""
    import multiprocessing

    context = multiprocessing.get_context("fork")
    preload()
    found: dict[int, Outcome] = {}
    with context.Pool(workers, _begin_worker) as pool:
        for number, outcome in pool.imap_unordered(_work, enumerate(mutants)):
            found[number] = outcome
            say(outcome)
        pool.close()
        pool.join()
    return [found[number] for number in range(len(mutants))]


_copy: Path | None = None
_held: list[object] = []


def _begin_worker() -> None:
    global _copy  # noqa: PLW0603  a pool hands its workers nothing but this
    import multiprocessing.util

    holder = tree()
    _copy = holder.__enter__()
    _held.append(holder)
    multiprocessing.util.Finalize(None, holder.__exit__, args=(None, None, None), exitpriority=10)


def _work(numbered: tuple[int, Mutant]) -> tuple[int, Outcome]:
    assert _copy is not None
    return numbered[0], try_mutant(_copy, numbered[1])


def failing_without(tests: Iterable[str]) -> list[str]:
    """Lines that name tests that fail in the tree as it is: they would prove nothing. Empty when all pass."""
    preload()
    with tree() as copy:
        code, told = run_pytest(copy, sorted(set(tests)), stop_at_first=False)
    if code == 0:
        return []
    named = [line for line in told.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return named or [told[-1500:]]
