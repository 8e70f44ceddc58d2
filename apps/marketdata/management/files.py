"""What commands over recorded files share: every file gets its report or its error, and one error fails the whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from apps.engine.errors import EngineError
from apps.gateway.errors import GatewayError

Report = dict[str, Any]


def report_files(
    paths: Iterable[Path], make: Callable[[Path], Report], *, as_json: bool, write: Callable[[str], Any]
) -> None:
    """Reports on each file. A file that cannot be read is reported with its typed error; `CommandError` at the end."""
    reports = [_report(path, make) for path in paths]
    if as_json:
        write(json.dumps({"files": reports}, indent=2))
    else:
        for report in reports:
            write("\n".join(f"{name}: {value}" for name, value in report.items()) + "\n")
    failed = [report["file"] for report in reports if "error" in report]
    if failed:
        raise CommandError(f"{len(failed)} of {len(reports)} files could not be read: {', '.join(failed)}")


def _report(path: Path, make: Callable[[Path], Report]) -> Report:
    try:
        return make(path)
    except (OSError, GatewayError, EngineError) as error:
        return {"file": path.name, "error": type(error).__name__, "message": str(error)}
