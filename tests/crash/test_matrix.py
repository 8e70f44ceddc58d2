"""A session killed at every step of every path of an order: its successor ends where an unharmed one does (G7).

One process runs the whole matrix, several runs at a time; each test looks at one path of it. Here each call is killed
at the first time it comes on a path; `python -m tests.crash.run` also kills at the second.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from .paths import PATHS

pytestmark = [pytest.mark.crash, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
NAMES = [path.name for path in PATHS]
# A step that depends on what comes first may not come again; then it was a run unharmed.
MOST_NOT_REACHED = 0.05


@pytest.fixture(scope="session")
def matrix(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The summary of all paths that this run of the tests wants."""
    wanted = {item.callspec.params["name"] for item in request.session.items if hasattr(item, "callspec")
              and item.path == Path(__file__)}  # fmt: skip
    result = tmp_path_factory.mktemp("crash") / "summary.json"
    command = [sys.executable, "-m", "tests.crash.run", "--most", "1", "--json", str(result)]
    for name in sorted(wanted):
        command += ["--path", name]
    finished = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert result.exists(), finished.stdout[-3000:] + finished.stderr[-3000:]
    summary: dict[str, Any] = json.loads(result.read_text())
    return summary


@pytest.mark.parametrize("name", NAMES)
def test_whatever_step_it_dies_at_its_successor_puts_everything_right(name: str, matrix: dict[str, Any]) -> None:
    failures = [failure for failure in matrix["failures"] if failure["path"] == name]
    assert failures == []
    killed, missed = matrix["by_path"][name], [step for step in matrix["not_reached"] if step.startswith(f"{name}:")]
    assert killed > 0
    assert len(missed) <= max(2, MOST_NOT_REACHED * killed), missed
