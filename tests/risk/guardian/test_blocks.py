"""A stop flag holds while the database is away, and whatever cannot be read counts as stopped."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio

from apps.risk import blocks
from apps.risk.blocks import Block, BlocksUnreadable, block_clear, block_write, blocks_prepare, blocks_read_files
from tests.factories import NOW


def stop(scope: str = "global", scope_id: str = "", reason: str = "drill") -> blocks.BlockResult:
    return block_write(scope=scope, scope_id=scope_id, reason=reason, by="craig", at=NOW, request_id="r-1")


def test_stop_stands_in_the_file_while_redis_is_away(run_dir: Path) -> None:
    blocks_prepare()
    assert blocks_read_files() == []
    result = stop("market", "KXTEST-1")
    assert result.file_error == ""
    assert "ConnectionError" in result.redis_error
    assert blocks_read_files() == [Block("market", "KXTEST-1", "drill", "craig", NOW, "r-1")]


def test_stop_stands_in_redis_while_the_file_cannot_be_written(run_dir: Path, redis_url: str) -> None:
    (run_dir / "stop").write_text("a file where the folder belongs")
    result = stop()
    assert result.redis_error == ""
    assert result.file_error
    with redis.Redis.from_url(redis_url) as client:
        assert json.loads(client.hgetall(blocks.HASH)[b"global:"])["reason"] == "drill"


def test_folder_that_cannot_be_read_blocks(run_dir: Path) -> None:
    with pytest.raises(BlocksUnreadable):
        blocks_read_files()
    blocks_prepare()
    assert blocks_read_files() == []
    (run_dir / "stop").rmdir()
    with pytest.raises(BlocksUnreadable):
        blocks_read_files()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '"x"', '{"scope": "planet", "at": "2026-11-20T12:00:00+00:00"}', '{"scope": "global"}']
)
def test_file_that_is_no_flag_stops_everything(run_dir: Path, content: str) -> None:
    blocks_prepare()
    (run_dir / "stop" / "STOP").write_text(content)
    assert [block.key for block in blocks_read_files()] == [("global", "")]
    block_clear(scope="market", scope_id="KXTEST-1")
    assert len(blocks_read_files()) == 1
    block_clear(scope="global", scope_id="")
    assert blocks_read_files() == []


def test_resume_of_one_scope_leaves_the_others_stopped(run_dir: Path) -> None:
    stop("market", "KXTEST-1")
    stop("market", "KXTEST-2")
    block_clear(scope="market", scope_id="KXTEST-1")
    assert [block.scope_id for block in blocks_read_files()] == ["KXTEST-2"]


def test_newer_reason_for_the_same_scope_replaces_the_older(run_dir: Path) -> None:
    stop(reason="first")
    os.utime(run_dir / "stop", ns=(0, 0))
    assert blocks_read_files()[0].reason == "first"
    stop(reason="second")
    assert [block.reason for block in blocks_read_files()] == ["second"]


def test_half_written_file_is_never_seen(run_dir: Path) -> None:
    blocks_prepare()
    (run_dir / "stop" / ".global-x.json.7.new").write_text("{")
    assert blocks_read_files() == []


class Heard:
    """What a subscriber was told."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.cleared: list[tuple[str, str]] = []

    def clear(self, scope: str, scope_id: str) -> None:
        self.cleared.append((scope, scope_id))

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not is_so():  # noqa: ASYNC110  nothing signals this
                await asyncio.sleep(0.01)


async def test_subscriber_hears_what_stands_what_comes_and_what_goes(run_dir: Path, redis_url: str) -> None:
    await asyncio.to_thread(stop, "market", "KXTEST-1")
    heard = Heard()
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        task = asyncio.create_task(blocks.subscribe(client, heard.blocks.append, on_clear=heard.clear))
        await heard.until(lambda: len(heard.blocks) == 1)
        await asyncio.to_thread(stop)
        await heard.until(lambda: len(heard.blocks) == 2)
        await asyncio.to_thread(block_clear, scope="market", scope_id="KXTEST-1")
        await heard.until(lambda: bool(heard.cleared))
        task.cancel()
    assert [block.key for block in heard.blocks] == [("market", "KXTEST-1"), ("global", "")]
    assert heard.cleared == [("market", "KXTEST-1")]


async def test_subscriber_without_redis_waits_quietly(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "RECONNECT_S", 0.01)
    heard = Heard()
    async with redis.asyncio.Redis.from_url("redis://127.0.0.1:1/0") as client:
        task = asyncio.create_task(blocks.subscribe(client, heard.blocks.append))
        await asyncio.sleep(0.1)
        assert not task.done()
        task.cancel()
    assert heard.blocks == []


async def test_flag_in_redis_that_cannot_be_read_stops_everything(run_dir: Path, redis_url: str, settings: Any) -> None:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        await client.hset(blocks.HASH, "market:KXTEST-1", "garbage")
        assert [block.key for block in await blocks.blocks_read_redis(client)] == [("global", "")]
