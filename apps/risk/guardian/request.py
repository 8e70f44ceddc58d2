"""One press of the kill switch, however it reached us, and the file that keeps its progress."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.risk.blocks import Block
from apps.risk.files import write_atomic

KEPT_FILES = 200


@dataclass(frozen=True, slots=True)
class KillRequest:
    """`request_id` is the same on every way: database row, flag in the file, flag in Redis."""

    request_id: str
    scope: str
    scope_id: str
    reason: str
    by: str
    at: datetime
    source: str

    @classmethod
    def of_block(cls, block: Block) -> KillRequest:
        """A flag without an id, made by hand, gets one from what it says and when."""
        made = hashlib.sha256(f"{block.scope}:{block.scope_id}:{block.at.isoformat()}".encode()).hexdigest()
        request_id = block.request_id or f"file-{made[:24]}"
        return cls(request_id, block.scope, block.scope_id, block.reason, block.by, block.at, block.source)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"at": self.at.isoformat()}


def kill_folder() -> Path:
    return Path(settings.RUN_DIR) / "guardian" / "kills"


def kill_file(request_id: str) -> Path:
    return kill_folder() / f"{hashlib.sha256(request_id.encode()).hexdigest()[:24]}.json"


def kill_file_write(state: dict[str, Any], *, is_durable: bool) -> None:
    """`state` holds the request, the steps so far and, at the end, the fields of the run. Raises `OSError`."""
    write_atomic(kill_file(state["request"]["request_id"]), json.dumps(state).encode(), is_durable=is_durable)


def kill_file_read(request_id: str) -> dict[str, Any] | None:
    """None when there is none, or none that can be read."""
    return _decoded(kill_file(request_id))


def kill_files_unrecorded() -> list[dict[str, Any]]:
    """Runs that ended and are not in the database yet, oldest first; old recorded files are removed."""
    if not kill_folder().is_dir():
        return []
    paths = sorted(kill_folder().glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    states = [(path, _decoded(path)) for path in paths]
    done = [path for path, state in states if state is None or state.get("is_recorded")]
    for path in done[:-KEPT_FILES]:
        path.unlink(missing_ok=True)
    return [state for _, state in states if state is not None and state.get("fields") and not state.get("is_recorded")]


def _decoded(path: Path) -> dict[str, Any] | None:
    try:
        state = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return state if isinstance(state, dict) and isinstance(state.get("request"), dict) else None
