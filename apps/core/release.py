"""What this process runs: the configured release, and the content of the shipped files themselves."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from django.conf import settings

FOLDERS = ("apps", "kalshiops", "templates", "static")
KINDS = {".py", ".html", ".js", ".css"}


@cache
def tree_hash() -> str:
    """SHA-256 (hex) over names and content of the shipped files, as they were when this process first asked.

    Ask at the start: files that are changed afterwards are not what runs.
    """
    return hash_of(Path(settings.BASE_DIR))


def hash_of(root: Path) -> str:
    """The same of any folder that holds the shipped ones."""
    digest = hashlib.sha256()
    for path in sorted(path for folder in FOLDERS for path in (root / folder).rglob("*") if path.suffix in KINDS):
        body = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(body)}\0".encode())
        digest.update(body)
    return digest.hexdigest()
