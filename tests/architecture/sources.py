"""The files that the architecture tests look at."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = ("apps", "kalshiops", "deploy")
PROSE = ("README.md", "deploy/runbooks", "deploy/.env.example", "deploy/up", "deploy/test")


def python_files(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in found if "migrations" not in path.parts)


def templates() -> list[Path]:
    return sorted([*(ROOT / "templates").rglob("*.html"), *(ROOT / "apps").rglob("templates/**/*.html")])


def written_files() -> list[Path]:
    """Everything that the team wrote, in code, on screens and in documents; recorded data is not among it."""
    paths = [*python_files(*CODE, "tests"), *templates(), *(ROOT / "apps").rglob("*.md")]
    paths += [path for folder in ("static", "templates") for path in (ROOT / folder).rglob("*") if path.is_file()]
    for name in PROSE:
        path = ROOT / name
        paths += [part for part in path.rglob("*") if part.is_file()] if path.is_dir() else [path]
    return sorted({path for path in paths if path.suffix in {".py", ".html", ".md", ".css", ".js", ".txt", ".sh", ""}})


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
