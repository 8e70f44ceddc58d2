"""The checks of `deploy/test`, in the order they run: the quick ones first."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PYTHON = sys.executable
_BIN = Path(sys.executable).parent
_PLAIN = "not browser and not conformance and not faults and not crash"
# Every page by every role: who may open what does not depend on the database, and it takes minutes.
_OF_THE_DATABASE = f"{_PLAIN} and not pages"


@dataclass(frozen=True, slots=True)
class Step:
    """Commands run one after the other until one fails; `needs` names what must be there ("postgres", "chromium")."""

    name: str
    commands: Sequence[Sequence[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    needs: str = ""


# What a deployment sets; `check --deploy` judges the settings as they are there.
_DEPLOYED = {
    "SECRET_KEY": "a-long-key-for-the-deployment-check-only-0123456789-abcdefghij",
    "SECURE_COOKIES": "1",
    "SECURE_SSL_REDIRECT": "1",
    "SECURE_HSTS_SECONDS": "31536000",
}


def _tool(name: str, *arguments: str) -> list[str]:
    return [str(_BIN / name), *arguments]


def _manage(*arguments: str) -> list[str]:
    return [PYTHON, "manage.py", *arguments]


def _pytest(marks: str, *arguments: str) -> list[str]:
    return [PYTHON, "-m", "pytest", "-m", marks, *arguments]


def steps() -> list[Step]:
    return [
        Step("ruff", [_tool("ruff", "check", ".")]),
        Step("format", [_tool("ruff", "format", "--check", ".")]),
        Step("imports", [_tool("lint-imports")]),
        Step("types", [_tool("mypy")]),
        Step("django", [_manage("check", "--fail-level", "WARNING")]),
        Step("migrations", [_manage("makemigrations", "--check", "--dry-run")]),
        Step(
            "deployment",
            [
                _manage("migrate", "--noinput", "--verbosity", "0"),
                _manage("seed_demo"),
                _manage("check", "--deploy", "--fail-level", "WARNING"),
            ],
            _DEPLOYED,
        ),
        Step("tests on SQLite", [_pytest(_PLAIN, "-n", "2")]),
        Step("tests on PostgreSQL", [_pytest(_OF_THE_DATABASE, "-n", "2")], needs="postgres"),
        Step("conformance", [_pytest("conformance")]),
        Step("browser", [_pytest("browser")], needs="chromium"),
        Step("episodes", [_manage("simulate", "--episodes", "1000", "--seed", "1", "--jobs", "2")]),
        Step("crash matrix", [_pytest("crash")]),
        Step("faults", [_pytest("faults")]),
        Step("smoke", [[PYTHON, "-m", "deploy.launcher.up", "--check", "20"]]),
    ]
