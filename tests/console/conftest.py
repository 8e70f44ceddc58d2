from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.test import Client

from tests import factories as make
from tests.people import client_of, team  # noqa: F401  fixtures

from . import payload


@pytest.fixture(autouse=True)
def _at_a_fixed_time() -> Iterator[None]:
    with time_machine.travel(make.NOW, tick=False):
        yield


@pytest.fixture(autouse=True)
def topics(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Nothing is published unless the test does it."""
    return payload.publish(monkeypatch, {})


@pytest.fixture
def viewer(client: Client, db: None) -> Client:
    client.force_login(make.user("dave", perms=("risk.trip_kill_switch", "governance.export_metrics")))
    return client
