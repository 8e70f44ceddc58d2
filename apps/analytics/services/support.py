"""The support bundle: what somebody needs to understand an installation, and nothing that opens a door."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import sys
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from apps.core.models import Lease
from apps.core.redaction import redacted, redacted_value
from apps.governance.models import SystemEvent
from apps.governance.services import audit_record
from apps.marketdata.models import Feed
from apps.risk.guardian.heartbeat import guardian_age_ms
from apps.risk.models import SwitchStatus, TradingState
from apps.trading.models import TradingSession

EVENTS, SESSIONS = 500, 20
EVENT_AGE = timedelta(days=7)
# A zip's own times would make two bundles of the same content differ.
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def support_bundle(*, now: datetime, by: str) -> bytes:
    """A zip of JSON files with `manifest.json` (SHA-256 of each); records an audit event. Every text is redacted."""
    files = {f"{name}.json": _text(make(now)) for name, make in _PARTS.items()}
    manifest = {
        "made_at": now.isoformat(),
        "release": settings.RELEASE,
        "files": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()},
    }
    files["manifest.json"] = _text(manifest)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, text in files.items():
            bundle.writestr(zipfile.ZipInfo(name, _ZIP_TIME), text, zipfile.ZIP_DEFLATED)
    content = buffer.getvalue()
    audit_record(
        actor=None,
        actor_label=by,
        action="analytics.support.bundle",
        obj_type="analytics.SupportBundle",
        obj_id=hashlib.sha256(content).hexdigest()[:16],
        after={"files": sorted(files), "bytes": len(content)},
        now=now,
    )
    return content


def _text(value: Any) -> str:
    """Redacted twice: value by value, where names tell secrets apart, and as the text it becomes."""
    return redacted(json.dumps(redacted_value(value), indent=1, sort_keys=True, default=str)) + "\n"


def _versions(now: datetime) -> dict[str, Any]:
    return {
        "release": settings.RELEASE,
        "python": sys.version,
        "platform": platform.platform(),
        "database": {"vendor": connection.vendor, "version": ".".join(map(str, connection.get_database_version()))},
        "packages": {one.metadata["Name"]: one.version for one in distributions()},
        "migrations": sorted(f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations()),
    }


def _settings(now: datetime) -> dict[str, Any]:
    return {name: _plain(getattr(settings, name)) for name in dir(settings) if name.isupper()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _events(now: datetime) -> list[dict[str, Any]]:
    rows = SystemEvent.objects.filter(created_at__gt=now - EVENT_AGE)
    return [dict(row) for row in rows.values("created_at", "code", "severity", "source", "message", "details")[:EVENTS]]


def _processes(now: datetime) -> dict[str, Any]:
    sessions = TradingSession.objects.values(
        "account__name", "holder", "state", "reason", "release", "started_at", "heartbeat_at", "ended_at", "counters"
    )
    return {
        "started": _file(Path(settings.RUN_DIR) / "processes.json"),
        "guardian_age_ms": guardian_age_ms(int(now.timestamp() * 1000)),
        "leases": list(Lease.objects.values("name", "holder", "expires_at")),
        "sessions": list(sessions[:SESSIONS]),
        "feeds": list(Feed.objects.values()),
        "states": list(TradingState.objects.values("scope", "scope_id", "state", "reason", "changed_at")),
        "switches": list(SwitchStatus.objects.values("account", "key", "scope_id", "state", "evaluated_at")),
    }


def _file(path: Path) -> Any:
    """A JSON file of the launcher, None where there is none to be read."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None


_PARTS: dict[str, Callable[[datetime], Any]] = {
    "versions": _versions,
    "settings": _settings,
    "events": _events,
    "processes": _processes,
}
