"""Stop flags that need no database: a file per scope, and the same in Redis.

The rows of `TradingState` stay the truth. These stand beside them, so that a stop holds while the database is away
and reaches a session at once. Any of the three halts; only an approved resume takes them away.

Any file in the folder stops something: one that cannot be read as a flag stops everything, and so does `touch`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import redis
import redis.asyncio
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from .choices import Scope
from .files import sync_folder, write_atomic

HASH = "kalshiops:stop"
CHANNEL = "kalshiops:stop"
REDIS_TIMEOUT_S = 0.5
REREAD_S = 1.0
RECONNECT_S = 0.5


class BlocksUnreadable(OSError):
    """The folder of stop flags cannot be read: whoever asks must treat everything as stopped."""


@dataclass(frozen=True, slots=True)
class Block:
    """One stop: what it covers, why, who, when. `request_id` names the press that made it, over whatever way.

    `source` is who runs the ladder for it: "page", "switch" and the like leave it to the guardian, "command" is
    running it already.
    """

    scope: str
    scope_id: str
    reason: str
    by: str
    at: datetime
    request_id: str = ""
    source: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return self.scope, self.scope_id

    def encoded(self) -> str:
        return json.dumps(asdict(self) | {"at": self.at.isoformat()})


@dataclass(frozen=True, slots=True)
class BlockResult:
    """What went wrong on each way, in words; empty when it worked."""

    file_error: str = ""
    redis_error: str = ""

    @property
    def is_complete(self) -> bool:
        return not (self.file_error or self.redis_error)


def stop_folder() -> Path:
    return Path(settings.RUN_DIR) / "stop"


def blocks_prepare() -> None:
    """Makes the folder; whoever reads flags does this once when it starts. A folder that vanishes later blocks."""
    stop_folder().mkdir(mode=0o700, parents=True, exist_ok=True)


def block_write(
    *, scope: str, scope_id: str, reason: str, by: str, at: datetime, request_id: str = "", source: str = ""
) -> BlockResult:
    """Stops a scope in the file and in Redis; each may fail on its own and says so. Waits a second at most."""
    block = Block(scope, scope_id, reason, by, at, request_id, source)
    return BlockResult(block_write_file(block), block_write_redis(block))


def block_write_file(block: Block) -> str:
    """The file alone, flushed to the disk. What went wrong, or nothing."""
    try:
        write_atomic(stop_folder() / _file_name(block.scope, block.scope_id), block.encoded().encode())
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return ""


def block_write_redis(block: Block) -> str:
    """The flag in Redis and the push to whoever listens. What went wrong, or nothing."""

    def write(pipe: Any) -> None:
        pipe.hset(HASH, _field(block.scope, block.scope_id), block.encoded())
        pipe.publish(CHANNEL, block.encoded())

    return _in_redis(write)


def block_clear(*, scope: str, scope_id: str) -> BlockResult:
    """Takes both flags away, Redis first, so that nobody can copy it back from there. Only for an approved resume."""

    def clear(pipe: Any) -> None:
        pipe.hdel(HASH, _field(scope, scope_id))
        pipe.publish(CHANNEL, json.dumps({"cleared": [scope, scope_id]}))

    redis_error = _in_redis(clear)
    return BlockResult(_clear_files(scope, scope_id), redis_error)


def blocks_read_files() -> list[Block]:
    """Every stop that stands in a file. Microseconds while nothing changes. Raises `BlocksUnreadable`."""
    return _FILES.read(stop_folder())


async def blocks_read_redis(client: redis.asyncio.Redis) -> list[Block]:
    """Every stop that stands in Redis. Raises `redis.RedisError`."""
    rows: dict[Any, Any] = await client.hgetall(HASH)
    return [_decoded(raw, f"the stop flag {_text(name)} in Redis") for name, raw in sorted(rows.items())]


async def subscribe(
    client: redis.asyncio.Redis,
    on_block: Callable[[Block], None],
    *,
    on_clear: Callable[[str, str], None] | None = None,
) -> None:
    """Calls `on_block` for every stop in Redis, at once as it is pushed, until canceled.

    Stops that stand already come first. The hash is read again each second and after each outage, so that a push
    that was lost is caught up; `on_clear(scope, scope_id)` follows once a stop is gone. While Redis is away nothing
    is called: files and database hold the stop.
    """
    known: dict[tuple[str, str], Block] = {}

    def take(found: list[Block]) -> None:
        for block in found:
            if known.get(block.key) != block:
                known[block.key] = block
                on_block(block)

    while True:
        try:
            async with client.pubsub() as channel:
                await channel.subscribe(CHANNEL)
                while True:
                    standing = await blocks_read_redis(client)
                    take(standing)
                    for gone in set(known) - {block.key for block in standing}:
                        del known[gone]
                        if on_clear is not None:
                            on_clear(*gone)
                    pushed = await channel.get_message(ignore_subscribe_messages=True, timeout=REREAD_S)
                    if pushed is not None and (block := _pushed(pushed["data"])) is not None:
                        take([block])
        except (redis.RedisError, OSError):
            await asyncio.sleep(RECONNECT_S)


class _BlockFiles:
    """Reads the folder again only when its names or its time of change differ."""

    def __init__(self) -> None:
        self._seen: tuple[str, int, list[str]] | None = None
        self._blocks: list[Block] = []

    def read(self, folder: Path) -> list[Block]:
        path = str(folder)
        try:
            names = os.listdir(path)
            seen = (path, os.stat(path).st_mtime_ns, names)
            if seen != self._seen:
                found = (_from_file(folder / name) for name in sorted(names) if not name.startswith("."))
                self._blocks = [block for block in found if block is not None]
                self._seen = seen
        except OSError as error:
            self._seen = None
            raise BlocksUnreadable(f"the folder of stop flags cannot be read: {error}") from error
        return self._blocks


_FILES = _BlockFiles()


def _from_file(path: Path) -> Block | None:
    """None when it was cleared between the two looks."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        return _everything(f"the stop file {path.name} cannot be read: {error}", path)
    return _decoded(raw, f"the stop file {path.name}", path)


def _decoded(raw: bytes | str, what: str, path: Path | None = None) -> Block:
    try:
        fields = json.loads(raw)
        at = datetime.fromisoformat(fields.pop("at"))
        block = Block(**{name: str(fields.get(name, "")) for name in Block.__slots__ if name != "at"}, at=at)
        Scope(block.scope)
        return block if at.tzinfo else _everything(f"{what} has a time without a zone", path)
    except (ValueError, TypeError, KeyError, AttributeError):
        return _everything(f"{what} is not a flag the platform wrote", path)


def _everything(reason: str, path: Path | None) -> Block:
    """What cannot be understood stops everything."""
    try:
        at = datetime.fromtimestamp(path.stat().st_mtime, UTC) if path else datetime.fromtimestamp(0, UTC)
    except OSError:
        at = datetime.fromtimestamp(0, UTC)
    return Block(Scope.GLOBAL.value, "", reason, "a file", at, source="file")


def _pushed(data: bytes | str) -> Block | None:
    try:
        if "cleared" in json.loads(data):
            return None
    except (ValueError, TypeError):
        pass
    return _decoded(data, "a stop pushed over Redis")


def _clear_files(scope: str, scope_id: str) -> str:
    """Removes the scope's own flag; with the scope that covers everything also what is no flag."""
    folder, own = stop_folder(), _file_name(scope, scope_id)
    try:
        for name in os.listdir(folder):
            path = folder / name
            if name == own or (scope == Scope.GLOBAL and not name.startswith(".") and _is_foreign(path)):
                path.unlink(missing_ok=True)
        sync_folder(folder)
    except OSError as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _is_foreign(path: Path) -> bool:
    block = _from_file(path)
    return block is not None and path.name != _file_name(block.scope, block.scope_id)


def _in_redis(fill: Callable[[Any], None]) -> str:
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=REDIS_TIMEOUT_S,
            socket_connect_timeout=REDIS_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        ) as client:
            pipe = client.pipeline()
            fill(pipe)
            pipe.execute()
    except (redis.RedisError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _file_name(scope: str, scope_id: str) -> str:
    return f"{scope}-{hashlib.sha256(scope_id.encode()).hexdigest()[:16]}.json"


def _field(scope: str, scope_id: str) -> str:
    return f"{scope}:{scope_id}"


def _text(name: bytes | str) -> str:
    return name.decode(errors="replace") if isinstance(name, bytes) else name
