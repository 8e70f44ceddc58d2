"""Places and a key of its own for every test, and a chain to look at."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.governance.models import AuditEvent
from apps.governance.services import audit_record
from tests.factories import NOW
from tests.people import client_of, team  # noqa: F401  fixtures


@pytest.fixture
def places(settings: Any, tmp_path: Path) -> list[Path]:
    found = [tmp_path / "here", tmp_path / "there"]
    settings.AUDIT_ANCHOR_PLACES = [str(path) for path in found]
    settings.AUDIT_KEY_FILE = tmp_path / "key" / "audit.pem"
    settings.AUDIT_FORMER_KEYS = []
    return found


@pytest.fixture
def record(db: None) -> Callable[..., list[AuditEvent]]:
    """Writes so many rows, one second apart."""

    def write(count: int, *, start: datetime = NOW, **fields: Any) -> list[AuditEvent]:
        return [
            audit_record(
                **{
                    "actor": None,
                    "actor_label": "system:test",
                    "action": "test.row.write",
                    "obj_type": "test.Row",
                    "obj_id": number,
                    "before": {"value": str(number)},
                    "after": {"value": str(number + 1)},
                    "now": start + timedelta(seconds=number),
                    **fields,
                }
            )
            for number in range(count)
        ]

    return write
