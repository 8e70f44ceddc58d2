"""The bundle that leaves the platform, and the script in it that has to do without us."""

from __future__ import annotations

import ast
import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection

from apps.core.exceptions import NotPermitted
from apps.core.stepup import MAX_AGE, FreshFactor, StepUpNeeded
from apps.governance.audit import verify_audit
from apps.governance.audit.anchors import FILE_NAME
from apps.governance.audit.bundle import VERIFIER
from apps.governance.audit.chain import entry_line
from apps.governance.exceptions import ReasonTooShort
from apps.governance.models import AuditAnchor, AuditEvent
from apps.governance.services.audit_anchors import audit_anchor
from apps.governance.services.audit_export import Bundle, RowUnreadable, audit_export
from tests.factories import NOW
from tests.record_guards import record_unguarded

from . import tampering
from .tampering import WAYS, chain_of

Write = Callable[..., list[AuditEvent]]
LATER = NOW + timedelta(hours=1)
REASON = "asked for by the yearly review"


# The script by itself


def test_the_script_is_short_and_stands_on_plain_python() -> None:
    source = VERIFIER.read_text(encoding="utf-8")
    assert len(source.splitlines()) < 200
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).partition(".")[0])
    assert imported <= set(sys.stdlib_module_names)


@pytest.mark.parametrize("name", WAYS)
def test_the_script_finds_every_way_of_tampering(name: str) -> None:
    rng = Random(name)
    for _ in range(60):
        rows = chain_of(12, rng)
        breaks: list[str] = []
        walk = verify_audit.Walk({12: {rows[-1].hash}}, breaks.append)
        for row in WAYS[name](rows, rng).rows:
            walk.row(entry_line(row))
        assert breaks or walk.last < 12


def test_the_script_calls_an_untouched_chain_intact() -> None:
    rows, breaks = chain_of(50, Random(1)), []  # type: ignore[var-annotated]
    walk = verify_audit.Walk({50: {rows[-1].hash}}, breaks.append)
    for row in rows:
        walk.row(entry_line(row))
    assert (breaks, walk.last, walk.head) == ([], 50, rows[-1].hash)
    assert tampering.head_of(rows) == (walk.last, walk.head)


def test_the_scripts_signatures_agree_with_a_library() -> None:
    rng = Random(1)
    for length in range(20):
        key, message = Ed25519PrivateKey.from_private_bytes(rng.randbytes(32)), rng.randbytes(length)
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        signature = key.sign(message)
        assert verify_audit.is_signature(public, signature, message)
        assert not verify_audit.is_signature(public, signature, message + b"x")
        spoiled = bytearray(signature)
        spoiled[rng.randrange(64)] ^= 1 << rng.randrange(8)
        assert not _is_signature(public, bytes(spoiled), message)


def _is_signature(key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        return verify_audit.is_signature(key, signature, message)
    except ValueError:
        return False


def test_the_standards_own_example_is_a_signature() -> None:
    """RFC 8032, 7.1, test 3; with the group's order added to s it is another text for the same, and refused."""
    key = bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
    signature = bytes.fromhex(
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )
    assert verify_audit.is_signature(key, signature, bytes.fromhex("af82"))
    s = int.from_bytes(signature[32:], "little") + verify_audit.L
    assert not verify_audit.is_signature(key, signature[:32] + s.to_bytes(32, "little"), bytes.fromhex("af82"))
    assert not verify_audit.is_signature(key, signature[:63], b"")


# The export


@pytest.fixture
def craig(team: dict[str, User]) -> User:
    return team["craig"]


def fresh(person: User) -> FreshFactor:
    return FreshFactor(person.pk, LATER, "totp")


def saved(bundle: Bundle, folder: Path) -> Path:
    path = folder / bundle.name
    with bundle.file:
        path.write_bytes(bundle.file.read())
    return path


def run_script(*arguments: object, script: Path = VERIFIER) -> tuple[int, str]:
    """In a Python that sees nothing of this environment."""
    command = [sys.executable, "-I", "-S", str(script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.django_db
def test_the_bundle_verifies_itself(record: Write, places: list[Path], tmp_path: Path, craig: User) -> None:
    rows = record(5, start=NOW)
    height = rows[-1].sequence
    bundle = audit_export(actor=craig, factor=fresh(craig), reason=REASON, now=LATER)
    path = saved(bundle, tmp_path)
    assert (bundle.rows, bundle.last) == (height, height)
    assert bundle.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "out")
    assert {found.name for found in (tmp_path / "out").iterdir()} == {
        "README.txt", "anchors.jsonl", "manifest.json", "public_key.txt", "rows.jsonl", "verify_audit.py",
    }  # fmt: skip
    key = AuditAnchor.objects.get().public_key
    code, said = run_script(script=tmp_path / "out" / "verify_audit.py")
    assert (code, f"{height} rows, 1 to {height}, signed through row {height}: intact" in said) == (0, True)
    assert "compare it with the one you were given" in said
    code, said = run_script(path, "--key", key, "--anchors", *(folder / FILE_NAME for folder in places), "--json")
    assert code == 0
    assert json.loads(said) == {
        "result": "intact", "rows": height, "first": 1, "last": height, "signed_through": height, "breaks": [],
    }  # fmt: skip


@pytest.mark.django_db
def test_the_export_is_on_record(record: Write, places: list[Path], craig: User, tmp_path: Path) -> None:
    record(2)
    bundle = audit_export(actor=craig, factor=fresh(craig), reason=REASON, now=LATER)
    saved(bundle, tmp_path)
    event = AuditEvent.objects.get(action="audit.export")
    assert (event.actor, event.reason, event.after["sha256"]) == (craig, REASON, bundle.sha256)
    assert event.object_id == f"1-{bundle.last}"


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["viewer", "scalper", "cliff", "eve"])
def test_only_risk_and_the_boss_may_export(
    record: Write,
    places: list[Path],
    team: dict[str, User],
    name: str,
) -> None:
    before = AuditEvent.objects.count()
    with pytest.raises(NotPermitted):
        audit_export(actor=team[name], factor=fresh(team[name]), reason=REASON, now=LATER)
    assert AuditEvent.objects.count() == before
    assert not AuditAnchor.objects.exists()


@pytest.mark.django_db
def test_it_needs_a_fresh_factor_of_ones_own_and_a_reason(
    record: Write,
    places: list[Path],
    team: dict[str, User],
) -> None:
    craig = team["craig"]
    stale = FreshFactor(craig.pk, LATER - MAX_AGE - timedelta(seconds=1), "totp")
    for factor in (None, stale, fresh(team["cliff"])):
        with pytest.raises(StepUpNeeded):
            audit_export(actor=craig, factor=factor, reason=REASON, now=LATER)
    with pytest.raises(ReasonTooShort):
        audit_export(actor=craig, factor=fresh(craig), reason="because", now=LATER)
    assert not AuditEvent.objects.filter(action="audit.export").exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE governance_auditevent SET reason = 'x' WHERE sequence = 3", "row 3 was edited"),
        ("DELETE FROM governance_auditevent WHERE sequence = 1", "rows 1 to 1 were removed"),
        ("DELETE FROM governance_auditevent WHERE sequence = 4", "rows 4 to 4 were removed"),
        ("UPDATE governance_auditanchor SET hash = 'f'", "not signed by the key"),
    ],
)
def test_a_bundle_of_a_tampered_record_says_so(
    record: Write, places: list[Path], tmp_path: Path, statement: str, told: str
) -> None:
    record(6)
    audit_anchor(now=NOW, even_if_young=True)
    with record_unguarded(), connection.cursor() as cursor:
        cursor.execute(statement)
    path = saved(audit_export(actor=None, factor=None, now=LATER), tmp_path)
    code, said = run_script(path)
    assert (code, told in said) == (1, True), said


@pytest.mark.django_db
def test_a_cut_tail_needs_the_anchors_that_were_kept_outside(
    record: Write, places: list[Path], tmp_path: Path, settings: Any
) -> None:
    record(6)
    audit_anchor(now=NOW, even_if_young=True)
    outside = tmp_path / "outside.jsonl"
    outside.write_text((places[0] / FILE_NAME).read_text())
    with record_unguarded(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM governance_auditanchor")
        cursor.execute("DELETE FROM governance_auditevent WHERE sequence > 4")
        cursor.execute(
            "UPDATE governance_audithead SET sequence = 4, "
            "hash = (SELECT hash FROM governance_auditevent WHERE sequence = 4)"
        )
    path = saved(audit_export(actor=None, factor=None, now=LATER), tmp_path)
    assert run_script(path)[0] == 0
    code, said = run_script(path, "--anchors", outside)
    assert (code, "were cut off the end: row 6 was signed" in said) == (1, True)


@pytest.mark.django_db
def test_a_bundle_that_was_changed_afterwards_says_so(record: Write, places: list[Path], tmp_path: Path) -> None:
    record(3)
    path = saved(audit_export(actor=None, factor=None, now=LATER), tmp_path)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "out")
    rows = tmp_path / "out" / "rows.jsonl"
    rows.write_text(rows.read_text().replace('"value":"2"', '"value":"9"'))
    code, said = run_script(tmp_path / "out")
    assert code == 1
    assert "the file rows.jsonl is not the one the manifest names" in said
    assert "row 2 was edited" in said
    rows.unlink()
    assert run_script(tmp_path / "out")[0] == 2
    assert run_script(path, "--key", "00" * 32)[0] == 1


@pytest.mark.django_db
def test_a_record_that_was_never_signed_is_not_called_verified(record: Write, settings: Any, tmp_path: Path) -> None:
    settings.AUDIT_ANCHOR_PLACES, settings.AUDIT_KEY_FILE = [], tmp_path / "key.pem"
    settings.AUDIT_KEY_FILE.write_text("no key")
    settings.AUDIT_KEY_FILE.chmod(0o600)
    record(3)
    code, said = run_script(saved(audit_export(actor=None, factor=None, now=LATER), tmp_path))
    assert (code, "nothing is signed" in said) == (2, True)


@pytest.mark.django_db
def test_a_part_of_the_record_verifies_too(record: Write, places: list[Path], tmp_path: Path) -> None:
    record(6)
    call_command("audit_export", "--since", "4", "--output", str(tmp_path / "part.zip"), stdout=None)
    code, said = run_script(tmp_path / "part.zip")
    assert (code, "3 rows, 4 to 6, signed through row 6: intact" in said) == (0, True)
    with pytest.raises(CommandError):
        call_command("audit_export", "--since", "0")


@pytest.mark.django_db
def test_a_row_that_cannot_be_read_stops_the_export(record: Write, places: list[Path]) -> None:
    record(3)
    with record_unguarded(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # takes nothing that cannot be read
            return
        cursor.execute("UPDATE governance_auditevent SET created_at = 'yesterday' WHERE sequence = 2")
    with pytest.raises(RowUnreadable, match="Row 2"):
        audit_export(actor=None, factor=None, now=LATER)
