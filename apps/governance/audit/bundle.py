"""The export bundle: rows, signed heads, public keys, a manifest, and the script that verifies them without us."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from .anchors import Anchor
from .chain import GENESIS, Entry, entry_line, utc_text

VERIFIER = Path(__file__).with_name("verify_audit.py")
README = """Audit record of kalshiops

rows.jsonl       one row of the record per line, each holding the hash of the row before it
anchors.jsonl    signed heads: at that moment the record ended with that row and that hash
public_key.txt   Ed25519 public keys (hex) that sign heads; compare with the one you were given at installation
manifest.json    what this bundle holds, with the SHA-256 of each file
verify_audit.py  verifies all of it: python3 verify_audit.py --key HEX --anchors OUTSIDE-COPY.jsonl

A change, removal, insertion or exchange of rows shows in the rows alone. That the end was cut off, or everything
behind some row written anew, shows only against a signed head that was kept elsewhere: rows younger than the newest
of those (at most 100 rows or 60 seconds while the platform runs) can have been cut without a trace.
"""


def bundle_write(
    target: IO[bytes],
    *,
    entries: Iterable[Entry],
    anchors: Iterable[Anchor],
    keys: Iterable[str],
    about: dict[str, Any],
    first: int,
    at: datetime,
) -> dict[str, Any]:
    """Writes the zip and returns its manifest. `entries` are in order, and should begin with number `first`.

    `about` goes into the manifest as it is.
    """
    span: dict[str, Any] = {"first": first, "last": first - 1, "head": GENESIS if first == 1 else "", "rows": 0}
    files: dict[str, str] = {}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        files["rows.jsonl"] = _write(archive, "rows.jsonl", _row_lines(entries, span))
        files["anchors.jsonl"] = _write(archive, "anchors.jsonl", (f"{anchor.line()}\n" for anchor in anchors))
        files["public_key.txt"] = _write(archive, "public_key.txt", (f"{key}\n" for key in sorted(keys)))
        files["verify_audit.py"] = _write(archive, "verify_audit.py", [VERIFIER.read_text(encoding="utf-8")])
        files["README.txt"] = _write(archive, "README.txt", [README])
        manifest = {**about, **span, "exported_at": utc_text(at), "files": files}
        _write(archive, "manifest.json", [json.dumps(manifest, indent=1, sort_keys=True) + "\n"])
    return manifest


def _row_lines(entries: Iterable[Entry], span: dict[str, Any]) -> Iterator[str]:
    for entry in entries:
        span.update(last=entry.sequence, head=entry.hash, rows=span["rows"] + 1)
        yield f"{entry_line(entry)}\n"


def _write(archive: zipfile.ZipFile, name: str, lines: Iterable[str]) -> str:
    digest = hashlib.sha256()
    with archive.open(name, "w", force_zip64=True) as file:
        for line in lines:
            data = line.encode()
            digest.update(data)
            file.write(data)
    return digest.hexdigest()
