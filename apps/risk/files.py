"""Small files that other processes read while they are replaced: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomic(path: Path, data: bytes, *, is_durable: bool = True) -> None:
    """Replaces `path` in one step; `is_durable` also waits for the disk. Raises `OSError`.

    The temporary file begins with a dot, which readers of a folder leave out.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, data)
        if is_durable:
            os.fsync(handle)
    finally:
        os.close(handle)
    os.replace(fresh, path)
    if is_durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes a rename or removal inside `folder` survive a power cut. Raises `OSError`."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
