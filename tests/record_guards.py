"""What only tests may do to the record: empty its tables between tests, and tamper with it on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, connections
from django.test import TransactionTestCase

from apps.governance.audit import triggers


@contextmanager
def record_unguarded() -> Iterator[None]:
    """The tables of the record without their triggers for as long as the block lasts."""
    triggers.remove(connection)
    try:
        yield
    finally:
        triggers.install(connection)


def flush_past_guards() -> None:
    """Lets tests with committed rows empty the tables afterwards; `flush` itself puts the triggers back."""
    empty = TransactionTestCase._fixture_teardown

    def emptied(self: Any) -> None:
        for name in self._databases_names(include_mirrors=False):
            triggers.remove(connections[name])
        empty(self)
        for name in self._databases_names(include_mirrors=False):
            triggers.install(connections[name])

    if getattr(TransactionTestCase, "_flushes_past_guards", False):
        return
    TransactionTestCase._flushes_past_guards = True
    TransactionTestCase._fixture_teardown = emptied
