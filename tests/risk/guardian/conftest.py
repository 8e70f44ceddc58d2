from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def run_dir(tmp_path: Path, settings: Any) -> Path:
    """A run directory of its own: a stop flag of one test must not stop another."""
    settings.RUN_DIR = tmp_path
    return tmp_path
