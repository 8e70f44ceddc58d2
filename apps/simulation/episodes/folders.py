"""The folder a platform keeps its flags and heartbeats in: one of its own per process, empty at every start."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

MEMORY = Path("/dev/shm")  # noqa: S108  a folder in memory where there is one; nothing in it outlives the run
NO_REDIS = "unix:///nonexistent/redis.sock"


@contextmanager
def run_folder() -> Iterator[Path]:
    """Settings point to a new folder, and to no Redis, while this lasts."""
    before = {name: getattr(settings, name) for name in ("RUN_DIR", "REDIS_URL")}
    folder = Path(tempfile.mkdtemp(prefix="episodes-", dir=MEMORY if MEMORY.is_dir() else None))
    settings.RUN_DIR, settings.REDIS_URL = folder, NO_REDIS
    try:
        yield folder
    finally:
        for name, value in before.items():
            setattr(settings, name, value)
        shutil.rmtree(folder, ignore_errors=True)
