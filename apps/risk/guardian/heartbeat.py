"""Signs of life between session and guardian, by file and by Redis; neither needs the database.

The session beats about once a second and the guardian acts on silence; the guardian beats too, and a session without
a live guardian must not arm. A beat is small and not flushed to the disk: one lost in a power cut is no loss.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import redis
import redis.asyncio
from django.conf import settings

from apps.risk.files import write_atomic

GUARDIAN_MAX_AGE_MS = 5_000
REDIS_TTL_S = 3_600
_PREFIX = "kalshiops:heartbeat:"
_GUARDIAN = "kalshiops:guardian"


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """One beat. `is_stopped` says that the session ended in good order and left nothing resting.

    `resting`: orders that are still open as far as the session's private feed has told; None from the guardian.
    """

    name: str
    at_ms: int
    environment: str
    is_stopped: bool = False
    resting: int | None = None


def folder() -> Path:
    return Path(settings.RUN_DIR) / "heartbeat"


def guardian_file() -> Path:
    return Path(settings.RUN_DIR) / "guardian" / "heartbeat.json"


def beat(account: str, now_ms: int, *, is_stopped: bool = False, resting: int | None = None) -> None:
    """The session's beat in the file: tens of microseconds, no disk flush, no Redis. Raises `OSError`.

    Send `is_stopped` once at the end, and only when nothing of ours rests any more: a session that could not make sure
    leaves its last beat standing, and the guardian finishes its work.
    """
    _write(_path(account), Heartbeat(account, now_ms, settings.KALSHI_ENVIRONMENT, is_stopped, resting))


async def beat_redis(client: redis.asyncio.Redis, account: str, now_ms: int, *, is_stopped: bool = False) -> None:
    """The same in Redis, for a guardian on another host. Raises `redis.RedisError`."""
    made = Heartbeat(account, now_ms, settings.KALSHI_ENVIRONMENT, is_stopped)
    await client.set(_PREFIX + account, json.dumps(asdict(made)), ex=REDIS_TTL_S)


def beats_read_files() -> dict[str, Heartbeat]:
    """The last beat of every account by name; a file that cannot be read as one is left out. Raises `OSError`."""
    if not folder().is_dir():
        return {}
    found = (_decoded(path.read_bytes()) for path in folder().iterdir() if not path.name.startswith("."))
    return {beat.name: beat for beat in found if beat is not None}


async def beats_read_redis(client: redis.asyncio.Redis) -> dict[str, Heartbeat]:
    """The same from Redis. Raises `redis.RedisError`."""
    keys = [key async for key in client.scan_iter(match=_PREFIX + "*", count=100)]
    rows = await client.mget(keys) if keys else []
    found = (_decoded(raw) for raw in rows if raw is not None)
    return {beat.name: beat for beat in found if beat is not None}


def private_feeds_resting(since_ms: int) -> int | None:
    """Open orders by the private feeds of all sessions of this environment that beat since then; None without one.

    Raises `OSError`.
    """
    told = [
        made.resting
        for made in beats_read_files().values()
        if made.environment == settings.KALSHI_ENVIRONMENT and made.at_ms >= since_ms and made.resting is not None
    ]
    return sum(told) if told else None


def guardian_beat(now_ms: int) -> None:
    """The guardian's own beat in its file. Raises `OSError`."""
    _write(guardian_file(), Heartbeat("guardian", now_ms, settings.KALSHI_ENVIRONMENT))


async def guardian_beat_redis(client: redis.asyncio.Redis, now_ms: int) -> None:
    """The same in Redis. Raises `redis.RedisError`."""
    made = Heartbeat("guardian", now_ms, settings.KALSHI_ENVIRONMENT)
    await client.set(_GUARDIAN, json.dumps(asdict(made)), ex=REDIS_TTL_S)


def guardian_age_ms(now_ms: int) -> int | None:
    """How long ago the guardian of this run directory beat; None when it never did or its file cannot be read.

    Older than `GUARDIAN_MAX_AGE_MS`, or None: there is no guardian, and a session must not arm.
    """
    try:
        last = _decoded(guardian_file().read_bytes())
    except OSError:
        return None
    return None if last is None else max(0, now_ms - last.at_ms)


async def guardian_age_redis_ms(client: redis.asyncio.Redis, now_ms: int) -> int | None:
    """The same by Redis, for a guardian on another host. Raises `redis.RedisError`."""
    raw = await client.get(_GUARDIAN)
    last = None if raw is None else _decoded(raw)
    return None if last is None else max(0, now_ms - last.at_ms)


def _path(name: str) -> Path:
    safe = name if name.replace("-", "").replace("_", "").isalnum() else hashlib.sha256(name.encode()).hexdigest()[:16]
    return folder() / f"{safe}.json"


def _write(path: Path, made: Heartbeat) -> None:
    write_atomic(path, json.dumps(asdict(made)).encode(), is_durable=False)


def _decoded(raw: bytes | str) -> Heartbeat | None:
    try:
        fields = json.loads(raw)
        resting = fields.get("resting")
        return Heartbeat(
            str(fields["name"]),
            int(fields["at_ms"]),
            str(fields["environment"]),
            fields["is_stopped"] is True,
            None if resting is None else int(resting),
        )
    except (ValueError, TypeError, KeyError):
        return None
