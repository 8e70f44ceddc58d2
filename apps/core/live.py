"""The newest state of a topic, for screens only: a Redis key with a short life and a nudge over Channels.

Facts never travel this way; a screen that misses an update reads the next one, or falls back to the database.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import redis
import redis.asyncio
from channels.layers import get_channel_layer
from django.conf import settings

TTL_S = 30
_PREFIX = "kalshiops:live:"


def group_name(topic: str) -> str:
    return f"live.{topic}"


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5)


async def apublish(client: redis.asyncio.Redis, topics: dict[str, dict[str, Any]], *, nudge: str) -> None:
    """Writes several topics in one round trip and nudges the screens that watch `nudge`."""
    pipe = client.pipeline(transaction=False)
    for topic, payload in topics.items():
        pipe.set(_PREFIX + topic, json.dumps(payload), ex=TTL_S)
    await pipe.execute()
    await get_channel_layer().group_send(group_name(nudge), {"type": "live.changed", "topic": nudge})


def read(topic: str) -> dict[str, Any] | None:
    """The newest payload, or None when there is none or Redis is away."""
    try:
        raw = _client().get(_PREFIX + topic)
    except redis.RedisError:
        return None
    return None if raw is None else json.loads(raw)
