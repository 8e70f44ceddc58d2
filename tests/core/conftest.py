from __future__ import annotations

from tests.people import client_of, team  # noqa: F401  fixtures
