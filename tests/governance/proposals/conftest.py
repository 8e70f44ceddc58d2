from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from apps.governance.models import RedesignProposal
from apps.governance.services.proposals_demo import redesign_case_load
from tests.factories import NOW
from tests.people import client_of, team  # noqa: F401  fixtures


@pytest.fixture
def case(team: dict[str, User]) -> RedesignProposal:  # noqa: F811
    """The case of February 2026: written by cliff, four options, six empty slots, nine tasks."""
    made = redesign_case_load(environment="simulated", now=NOW)
    assert made is not None
    return made
