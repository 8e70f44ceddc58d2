"""The default database of the whole test process, for as long as a test needs another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asgiref.local import Local
from django.db import connections

SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": "PRAGMA journal_mode=WAL;"},
}


class default_database:
    """Points the default alias, in every thread, at a file for as long as the block lasts."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        self._settings: dict[str, Any] = connections.settings["default"]
        self._saved = dict(self._settings)
        self._settings.update(SQLITE, NAME=str(self._path))
        # Threads that outlive a test keep a connection of their own; none of those may be met here.
        self._connections = connections._connections
        connections._connections = Local(connections.thread_critical)

    def __exit__(self, *_: object) -> None:
        connections["default"].close()
        connections._connections = self._connections
        self._settings.clear()
        self._settings.update(self._saved)
