"""The exchange's messages as another version of it might write them: fields added, renamed or of another type."""

from __future__ import annotations

import json
from random import Random
from typing import Any


def drifted(payload: bytes, rng: Random) -> bytes:
    """The same JSON after a change of schema; what is no JSON object comes back as it was."""
    try:
        body = json.loads(payload)
    except ValueError:
        return payload
    found = _objects(body)
    if not found:
        return payload
    target = rng.choice(found)
    name = rng.choice(sorted(target))
    change = rng.randrange(3)
    target["added_by_a_later_version"] = {"value": 1}
    if change == 1:
        target[f"new_{name}"] = target.pop(name)
    elif change == 2:
        target[name] = {"value": target[name]}
    return json.dumps(body, separators=(",", ":")).encode()


def _objects(found: Any) -> list[dict[str, Any]]:
    """Every object that has members, however deep."""
    below = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    inner = [part for item in below for part in _objects(item)]
    return [found, *inner] if isinstance(found, dict) and found else inner
