from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from apps.simulation.episodes.batch import new_database
from apps.simulation.episodes.database import MemoryDatabase


@pytest.fixture(scope="session")
def _built(django_db_blocker: DjangoDbBlocker) -> MemoryDatabase:
    with django_db_blocker.unblock():
        return new_database()


@pytest.fixture
def database(_built: MemoryDatabase, django_db_blocker: DjangoDbBlocker) -> Iterator[MemoryDatabase]:
    """The episodes' own database; the suite's is never touched."""
    with django_db_blocker.unblock():
        yield _built
