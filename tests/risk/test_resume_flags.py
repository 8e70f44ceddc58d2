"""A resume takes the stop flags away with the stored state; nothing else does."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.contrib.auth.models import User

from apps.governance.services import approval_vote
from apps.risk.blocks import blocks_prepare, blocks_read_files
from apps.risk.choices import ResumeCheck
from apps.risk.services import kill_switch_trip, resume_request
from tests.factories import fresh_factor

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_approved_resume_clears_the_flag_that_the_stop_wrote(team: dict[str, User], now: datetime) -> None:
    blocks_prepare()
    kill_switch_trip(scope="account", scope_id="main", reason="test", actor=team["cliff"], now=now)
    assert [block.key for block in blocks_read_files()] == [("account", "main")]
    request = resume_request(
        scope="account",
        scope_id="main",
        reason="cause known and mended",
        checked=ResumeCheck.values,
        actor=team["cliff"],
        now=now,
    )
    assert [block.key for block in blocks_read_files()] == [("account", "main")]
    approval_vote(
        request_id=request.pk,
        revision=1,
        vote="approve",
        reason="checked the cause",
        actor=team["craig"],
        factor=fresh_factor(team["craig"], now),
        now=now,
    )
    assert blocks_read_files() == []
