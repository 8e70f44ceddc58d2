from __future__ import annotations

import pytest

from tests.governance.conftest import NumberHandler


@pytest.fixture
def two_signers(number: NumberHandler) -> None:
    """Raising a number takes a signature of the boss and one of the risk role."""
    number.raising_needs = {"boss": 1, "risk": 1}
