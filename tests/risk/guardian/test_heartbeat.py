"""Signs of life: what cannot be read is no life, and a goodbye is not silence."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from typing import Any

import pytest
import redis.asyncio

from apps.gateway.clock import SystemClock
from apps.marketdata.exceptions import KeyNotConfigured
from apps.risk.guardian import connection, heartbeat
from apps.risk.guardian.deaths import DeathWatch
from apps.risk.guardian.heartbeat import Heartbeat

from .stand import write_key


def test_beats_are_read_back_and_garbage_is_left_out(run_dir: Path) -> None:
    assert heartbeat.beats_read_files() == {}
    heartbeat.beat("main", 1_000)
    heartbeat.beat("second/one", 2_000, is_stopped=True)
    (heartbeat.folder() / "broken.json").write_text("{")
    assert heartbeat.beats_read_files() == {
        "main": Heartbeat("main", 1_000, "simulated"),
        "second/one": Heartbeat("second/one", 2_000, "simulated", True),
    }


def test_private_feeds_are_added_up_over_the_sessions_that_told_since(run_dir: Path, settings: Any) -> None:
    assert heartbeat.private_feeds_resting(0) is None
    heartbeat.beat("first", 1_000, resting=2)
    heartbeat.beat("second", 2_000, resting=3)
    heartbeat.beat("silent", 3_000)
    assert heartbeat.private_feeds_resting(1_000) == 5
    assert heartbeat.private_feeds_resting(1_001) == 3
    assert heartbeat.private_feeds_resting(2_001) is None
    settings.KALSHI_ENVIRONMENT = "demo"
    assert heartbeat.private_feeds_resting(0) is None


async def test_beats_travel_by_redis_for_a_guardian_elsewhere(redis_url: str) -> None:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        assert await heartbeat.guardian_age_redis_ms(client, 5_000) is None
        await heartbeat.beat_redis(client, "main", 1_000)
        await heartbeat.guardian_beat_redis(client, 4_000)
        assert await heartbeat.beats_read_redis(client) == {"main": Heartbeat("main", 1_000, "simulated")}
        assert await heartbeat.guardian_age_redis_ms(client, 5_000) == 1_000


@pytest.mark.parametrize("content", ["", "{}", '{"name": "guardian", "at_ms": "soon", "environment": "x"}'])
def test_guardian_whose_file_cannot_be_read_is_no_guardian(run_dir: Path, content: str) -> None:
    heartbeat.guardian_beat(1_000)
    assert heartbeat.guardian_age_ms(1_500) == 500
    heartbeat.guardian_file().write_text(content)
    assert heartbeat.guardian_age_ms(1_500) is None


def test_newest_beat_counts_whatever_way_it_came() -> None:
    watch = DeathWatch("simulated")
    watch.note({"main": Heartbeat("main", 10_000, "simulated")})
    watch.note({"main": Heartbeat("main", 5_000, "simulated", True)})
    assert watch.silent(30_000) == []
    assert [beat.name for beat in watch.silent(30_001)] == ["main"]
    watch.note({"main": Heartbeat("main", 20_000, "simulated")})
    assert watch.silent(30_001) == []


def test_silence_is_looked_into_often_at_first_and_then_now_and_then() -> None:
    watch = DeathWatch("simulated")
    watch.note({"main": Heartbeat("main", 0, "simulated")})
    looks = [now for now in range(0, 300_000, 1_000) if watch.due(now)]
    assert looks[0] == 21_000
    assert looks[1] - looks[0] == 5_000
    assert looks[-1] - looks[-2] == 30_000


def test_kill_key_is_used_where_there_is_one_and_half_of_one_is_refused(tmp_path: Path, settings: Any) -> None:
    write_key(tmp_path)
    settings.KALSHI_KEY_ID, settings.KALSHI_PRIVATE_KEY_FILE = "trading", str(tmp_path / "key.pem")
    clock = SystemClock()
    assert "trading" in connection._signer(clock).headers("GET", "/x").values()
    settings.KALSHI_KILL_KEY_ID = "kill"
    with pytest.raises(KeyNotConfigured, match="go together"):
        connection._signer(clock)
    settings.KALSHI_KILL_PRIVATE_KEY_FILE = str(tmp_path / "key.pem")
    assert "kill" in connection._signer(clock).headers("GET", "/x").values()
    (tmp_path / "key.pem").write_text("no key")
    with pytest.raises(KeyNotConfigured) as refused:
        asyncio.run(_open(clock))
    assert "no key" not in str(refused.value)


async def _open(clock: SystemClock) -> None:
    connection.connection_open(clock, Random(1))
