#!/usr/bin/env python3
"""Verifies an exported audit record with nothing but Python 3.9 or newer: no packages, no network.

    python3 verify_audit.py [BUNDLE.zip or its folder] [--key HEX] [--anchors FILE ...] [--json]

--key      the public key as it was given to you when the platform was installed; without it the bundle's own is used
--anchors  copies of audit-anchors.jsonl that were kept elsewhere; only these can show that the end of the record was
           cut or rewritten before it was exported
Exit codes: 0 intact, 1 not as it was written, 2 could not be verified.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

PLAIN = "action actor actor_id at object_id object_type previous reason release request_id sequence"
PURPOSE = "kalshiops audit anchor"
Point = tuple[int, int, int, int]

# Ed25519 (RFC 8032): a point is (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z.
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, ROOT = -121665 * pow(121666, P - 2, P) % P, pow(2, (P - 1) // 4, P)


def add(a: Point, b: Point) -> Point:
    c, d, e, f = (a[1] - a[0]) * (b[1] - b[0]), (a[1] + a[0]) * (b[1] + b[0]), 2 * a[3] * b[3] * D, 2 * a[2] * b[2]
    e, f, g, h = d - c, f - e, f + e, d + c
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number: int, point: Point) -> Point:
    total = (0, 1, 1, 0)
    while number:
        if number & 1:
            total = add(total, point)
        point = add(point, point)
        number >>= 1
    return total


def point_of(data: bytes) -> Point:
    """The point that 32 bytes stand for; ValueError if they stand for none."""
    sign, y = divmod(int.from_bytes(data, "little"), 2**255)
    if y >= P:
        raise ValueError("no point")
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P or (x == 0 and sign):
        raise ValueError("no point")
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = point_of((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def is_signature(key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the private half of `key` signed `message`; ValueError for 32 or 64 bytes that can be neither."""
    if len(key) != 32 or len(signature) != 64:
        return False
    s = int.from_bytes(signature[32:], "little")
    a, r = point_of(key), point_of(signature[:32])
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    left, right = times(s, BASE), add(r, times(h, a))
    return s < L and all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1))


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def digest_of(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def row_hash(row: dict[str, Any]) -> str:
    said = {name: row[name] for name in PLAIN.split()}
    return digest_of(said | {name: "" if row[name] is None else digest_of(row[name]) for name in ("before", "after")})


def is_signed(anchor: dict[str, Any], keys: set[str]) -> bool:
    said = {name: anchor[name] for name in ("at", "hash", "key", "sequence")} | {"purpose": PURPOSE}
    try:
        key, signature = bytes.fromhex(anchor["key"]), bytes.fromhex(anchor["signature"])
        return anchor["key"] in keys and is_signature(key, signature, canonical(said).encode())
    except ValueError:
        return False


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.strip()]


class Walk:
    """Rows from `first` on, against each other and against `signed`: a row's number to the hashes anchors give it."""

    def __init__(self, signed: dict[int, set[str]], found: Callable[[str], None], first: int = 1) -> None:
        self.signed, self.found, self.rows, self.matched = signed, found, 0, 0
        self.first, self.last, self.head = first, first - 1, "0" * 64 if first == 1 else ""

    def row(self, line: str) -> None:
        self.rows += 1
        try:
            row = json.loads(line)
            number, is_own = row["sequence"] + 0, row_hash(row) == row["hash"]
        except (ValueError, KeyError, TypeError) as error:
            self.found(f"line {self.rows} of the rows is no row: {error!r}")
            return
        if number <= self.last:
            self.found(f"row {number} exists more than once, or stands at the wrong place")
            return
        if number > self.last + 1:
            self.found(f"rows {self.last + 1} to {number - 1} were removed")
        elif self.head and row["previous"] != self.head:
            self.found(f"row {number} was written behind another row than row {self.last} as it is now")
        if not is_own:
            self.found(f"row {number} was edited, moved or renumbered: its hash is not that of what it says")
        self.last, self.head = number, row["hash"]
        if not self.signed.get(number, set()) <= {self.head}:
            self.found(f"row {number} is not the one that was signed: rewritten somewhere after row {self.matched}")
        elif number in self.signed:
            self.matched = number


def signed_heads(anchors: dict[str, list[Any]], keys: set[str], found: Callable[[str], None]) -> dict[int, set[str]]:
    """Row number to hashes. An older anchor that agrees with the rows adds nothing: only the newest is checked."""
    heads: dict[int, set[str]] = {}
    for source, kept in anchors.items():
        for anchor in sorted(kept, key=lambda anchor: anchor["sequence"])[-1:]:
            if not is_signed(anchor, keys):
                found(f"the anchor of row {anchor['sequence']} ({source}) is not signed by the key")
        for anchor in kept:
            heads.setdefault(anchor["sequence"], set()).add(anchor["hash"])
    return heads


def verify(read: Callable[[str], bytes], key: str, copies: Iterable[Path], found: Callable[[str], None]) -> Walk:
    manifest = json.loads(read("manifest.json"))
    for name, digest in manifest["files"].items():
        if hashlib.sha256(read(name)).hexdigest() != digest:
            found(f"the file {name} is not the one the manifest names")
    keys = {key} if key else set(read("public_key.txt").decode().split())
    anchors = {str(path): lines_of(path.read_text(encoding="utf-8")) for path in copies}
    anchors["bundle"] = lines_of(read("anchors.jsonl").decode())
    walk = Walk(signed_heads(anchors, keys, found), found, manifest["first"])
    for line in read("rows.jsonl").decode().splitlines():
        walk.row(line)
    if (walk.last, walk.head) != (manifest["last"], manifest["head"]):
        found(f"the rows end with {walk.last}, which is not the end that the manifest names")
    if max(walk.signed, default=0) > walk.last:
        found(f"rows {walk.last + 1} to {max(walk.signed)} were cut off the end: row {max(walk.signed)} was signed")
    return walk


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--key", default="", help="public key, 64 hex digits")
    parser.add_argument("--anchors", nargs="*", type=Path, default=[])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    breaks: list[str] = []
    try:
        folder = options.bundle if options.bundle.is_dir() else zipfile.Path(options.bundle)
        walk = verify(lambda name: (folder / name).read_bytes(), options.key, options.anchors, breaks.append)
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        sys.stderr.write(f"could not be verified: {error!r}\n")
        return 2
    code = 1 if breaks else 0 if walk.signed else 2
    verdict = ("intact", "NOT AS IT WAS WRITTEN", "nothing is signed: all of it could have been made anew")[code]
    signed = max(walk.signed, default=0)
    if options.json:
        about = {"result": verdict, "rows": walk.rows, "first": walk.first, "last": walk.last, "signed_through": signed}
        sys.stdout.write(json.dumps({**about, "breaks": breaks}) + "\n")
        return code
    lines = [f"{walk.rows} rows, {walk.first} to {walk.last}, signed through row {signed}: {verdict}", *breaks]
    lines += ["The key came from the bundle: compare it with the one you were given."] * (not options.key)
    lines += ["Without outside anchors, rows cut or rewritten earlier cannot be found."] * (not options.anchors)
    sys.stdout.write("\n  ".join(lines) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
