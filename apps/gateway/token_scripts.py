"""The Lua of the shared token account. Redis runs each script whole and by its own clock, so all processes agree.

A bucket is a hash: `tokens` and `at` (when they were counted), `capacity` and `rate` (per second) as the venue grants
them, `hold` (trading waits until then after a 429), `refusals` and `refused_at`. Tokens are held in millionths and
times in microseconds: elapsed time times rate is then exact. A bucket nobody has used starts with its reserve only,
because what the venue's own bucket holds after a restart of Redis is not known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha1


@dataclass(frozen=True, slots=True)
class Script:
    """Lua and the name Redis knows it by once it has run."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", sha1(self.text.encode(), usedforsecurity=False).hexdigest())


_OPEN = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local found = redis.call('HMGET', KEYS[1], 'tokens', 'at', 'capacity', 'rate', 'hold', 'refusals', 'refused_at')
local capacity = tonumber(found[3] or ARGV[1]) * 1000000
local rate = tonumber(found[4] or ARGV[2])
local reserve = math.min(100000000, capacity / 2)
local tokens = tonumber(found[1] or reserve)
local passed = math.max(0, now - tonumber(found[2] or now))
tokens = math.min(capacity, tokens + passed * rate)
local function put(...) redis.call('HSET', KEYS[1], ...) end
local function whole(number) return string.format('%.0f', number) end
"""

TAKE = Script(
    _OPEN
    + """
tokens = math.max(-capacity, tokens - tonumber(ARGV[5]) * 1000000)
local cost = tonumber(ARGV[3]) * 1000000
local priority = ARGV[4] == '1'
local floor = priority and 0 or reserve
local wait = 0
if cost + floor > capacity then
  wait = -1
else
  if tokens - floor < cost then wait = math.ceil((cost + floor - tokens) / rate) end
  if not priority then wait = math.max(wait, tonumber(found[5] or 0) - now) end
  if wait <= 0 then
    wait = 0
    tokens = tokens - cost
  end
end
put('tokens', whole(tokens), 'at', whole(now))
return {wait, tokens}
"""
)
"""ARGV: capacity, rate, cost, 1 for priority, tokens owed from when the process could not ask.

Returns {microseconds to wait, 0 taken, -1 never; millionths left}.
"""

DRAIN = Script(
    _OPEN
    + """
local refusals = -1
if now - tonumber(found[7] or 0) < 5000000 then refusals = tonumber(found[6] or -1) end
refusals = math.min(refusals + 1, 10)
local pause = math.min(1000000, 100000 * 2 ^ refusals) * (1 + tonumber(ARGV[3]) / 2)
put('tokens', whole(math.min(tokens, 0)), 'at', whole(now), 'hold', whole(now + pause),
    'refusals', refusals, 'refused_at', whole(now))
return whole(pause)
"""
)
"""ARGV: capacity, rate, jitter from 0 to 1. Empties the bucket for everybody; returns trading's pause in us."""

LIMIT = Script(
    _OPEN
    + """
put('tokens', whole(tokens), 'at', whole(now), 'capacity', ARGV[1], 'rate', ARGV[2])
return redis.status_reply('OK')
"""
)
"""ARGV: capacity, rate. From now on everybody counts by these."""
