from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from apps.trading.models import StrategyConfig
from tests import factories
from tests.people import client_of, team  # noqa: F401  fixtures


@pytest.fixture
def config(team: dict[str, User]) -> StrategyConfig:  # noqa: F811
    """The first strategy on the simulated account, with its parameters in force."""
    return factories.parameters().config
