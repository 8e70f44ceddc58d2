"""Signed heads: how they are signed, written down outside the database, and read back.

An anchor says: at this moment the chain ended with this row and this hash. Whoever keeps one can tell later whether
the rows up to there are still the same.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from .chain import canonical, utc_text
from .errors import AuditKeyUnusable

FILE_NAME = "audit-anchors.jsonl"
PURPOSE = "kalshiops audit anchor"


@dataclass(frozen=True, slots=True)
class Anchor:
    """A signed head. `hash`, `key` (public) and `signature` are hex; `at` is UTC text with microseconds."""

    sequence: int
    hash: str
    at: str
    key: str
    signature: str = ""

    def body(self) -> bytes:
        """What is signed; the purpose keeps the signature from meaning anything else."""
        fields = {"at": self.at, "hash": self.hash, "key": self.key, "sequence": self.sequence}
        return canonical({**fields, "purpose": PURPOSE}).encode()

    def line(self) -> str:
        return canonical(asdict(self))


def sign(key: Ed25519PrivateKey, *, sequence: int, head: str, at: datetime) -> Anchor:
    unsigned = Anchor(sequence, head, utc_text(at), public_hex(key))
    return Anchor(unsigned.sequence, unsigned.hash, unsigned.at, unsigned.key, key.sign(unsigned.body()).hex())


def is_signed(anchor: Anchor, keys: Iterable[str]) -> bool:
    """Whether one of the trusted public `keys` (hex) signed exactly this."""
    if anchor.key not in keys:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(anchor.key)).verify(
            bytes.fromhex(anchor.signature), anchor.body()
        )
    except (InvalidSignature, ValueError):
        return False
    return True


def anchor_parse(line: str) -> Anchor:
    """Raises `ValueError` for a line that is not an anchor."""
    try:
        found = json.loads(line)
        anchor = Anchor(**found)
    except (TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"not an anchor: {error}") from error
    if type(anchor.sequence) is not int or not all(
        isinstance(text, str) for text in (anchor.hash, anchor.at, anchor.key, anchor.signature)
    ):
        raise ValueError("not an anchor: a field has the wrong type")
    return anchor


def public_hex(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def key_load(path: Path) -> Ed25519PrivateKey:
    """Raises `FileNotFoundError`, or `AuditKeyUnusable` for a file that others may read or that holds another key."""
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise AuditKeyUnusable(f"{path.name} may be read by others than its owner; make it 0600")
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except ValueError as error:
        raise AuditKeyUnusable(f"{path.name} holds no key: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise AuditKeyUnusable(f"{path.name} does not hold an Ed25519 key")
    return key


def key_create(path: Path) -> Ed25519PrivateKey:
    """Makes the key once, for its owner only; whoever else was quicker, their key is the one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    descriptor, part = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(part, path)
    finally:
        os.unlink(part)
    return key_load(path)


def place_read(folder: Path) -> tuple[list[Anchor], int]:
    """The anchors kept at a place in their order, and how many lines are none. Raises `OSError`; no file: none kept."""
    path, anchors, bad = folder / FILE_NAME, [], 0
    if not path.exists():
        return [], 0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            anchors.append(anchor_parse(line))
        except ValueError:
            bad += 1
    return anchors, bad


def place_has(folder: Path) -> bool:
    """Whether anything was ever written there."""
    return (folder / FILE_NAME).is_file()


def place_append(folder: Path, anchors: Iterable[Anchor]) -> None:
    """Adds lines at the end and makes them last. Raises `OSError`; a half-written line of before is closed first."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / FILE_NAME, "ab+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write("".join(f"{anchor.line()}\n" for anchor in anchors).encode())
        file.flush()
        os.fsync(file.fileno())
