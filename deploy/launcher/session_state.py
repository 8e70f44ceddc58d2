"""What the trading session says of itself, read from the same Redis key that the screens use."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

import redis

_KEY = "kalshiops:live:mission"


@dataclass(frozen=True, slots=True)
class SessionState:
    state: str
    reason: str
    started_at: datetime | None


def read(redis_url: str) -> SessionState | None:
    """None while no session has reported, or Redis is away."""
    client = redis.Redis.from_url(redis_url, socket_timeout=2, socket_connect_timeout=2)
    try:
        raw = client.get(_KEY)
    except redis.RedisError:
        return None
    finally:
        client.close()
    return None if raw is None else parse(raw)


def parse(raw: bytes | str) -> SessionState | None:
    session = json.loads(raw).get("session") or {}
    started = session.get("started_at")
    return SessionState(
        state=str(session.get("state", "")),
        reason=str(session.get("reason") or ""),
        started_at=datetime.fromisoformat(started) if started else None,
    )
