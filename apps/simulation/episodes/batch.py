"""Many episodes, over several processes, each with a database of its own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence

from .database import MemoryDatabase
from .episode import Result, run_episode
from .ground import lay_ground

_database: MemoryDatabase | None = None


def new_database() -> MemoryDatabase:
    """Migrated and filled; takes some seconds."""
    database = MemoryDatabase()
    database.build(lay_ground)
    return database


def run_all(seeds: Sequence[int], *, jobs: int) -> Iterator[Result]:
    """Results as they come; in order of the seeds only with one job."""
    database = new_database()
    if jobs <= 1:
        for seed in seeds:
            yield run_episode(database, seed)
        return
    context = multiprocessing.get_context("fork")
    with context.Pool(jobs, initializer=_begin, initargs=(database.image,)) as pool:
        yield from pool.imap_unordered(_one, seeds, chunksize=4)


def _begin(image: bytes) -> None:
    global _database  # noqa: PLW0603  one per worker process, made when it starts
    _database = MemoryDatabase()
    _database.load(image)


def _one(seed: int) -> Result:
    assert _database is not None
    return run_episode(_database, seed)
