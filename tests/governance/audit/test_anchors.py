"""Signed heads: when they are taken, where they lie, and what happens when a place or the key is not there."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import CommandError, call_command

from apps.governance.audit.anchors import (
    FILE_NAME,
    anchor_parse,
    is_signed,
    key_create,
    key_load,
    place_append,
    place_read,
    public_hex,
    sign,
)
from apps.governance.audit.errors import AuditKeyUnusable
from apps.governance.audit_selectors import chain_state, trusted_keys
from apps.governance.models import AuditAnchor, AuditEvent, AuditPlace, SystemEvent
from apps.governance.services.audit_anchors import WINDOW, WINDOW_ROWS, audit_anchor
from tests.factories import NOW

from .tampering import chain_of

Write = Callable[..., list[AuditEvent]]
pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(minutes=5)


def kept(folder: Path) -> list[int]:
    return [anchor.sequence for anchor in place_read(folder)[0]]


def signed_rows() -> list[int]:
    return list(AuditAnchor.objects.order_by("sequence").values_list("sequence", flat=True))


def failures() -> list[str]:
    return list(SystemEvent.objects.filter(code="AUDIT_ANCHOR_FAILED").values_list("message", flat=True))


def test_the_end_is_signed_and_lies_at_every_place(record: Write, places: list[Path]) -> None:
    last = record(3)[-1]
    anchor = audit_anchor(now=LATER)
    assert anchor is not None
    assert (anchor.sequence, anchor.hash) == (3, last.hash)
    for folder in places:
        (found,), bad = place_read(folder)
        assert (found.sequence, found.hash, bad) == (3, last.hash, 0)
        assert is_signed(found, trusted_keys())
    assert [place.state.written_through for place in chain_state().places if place.state] == [3, 3]
    assert failures() == []


@pytest.mark.parametrize(
    ("rows", "age", "is_taken"),
    [
        (WINDOW_ROWS // 2, timedelta(0), True),
        (WINDOW_ROWS // 2 - 1, timedelta(0), False),
        (1, WINDOW / 2, True),
        (1, WINDOW / 2 - timedelta(seconds=1), False),
    ],
)
def test_it_is_taken_well_within_the_window(
    record: Write, places: list[Path], rows: int, age: timedelta, is_taken: bool
) -> None:
    record(rows, now=NOW)
    assert (audit_anchor(now=NOW + age) is not None) is is_taken


def test_nothing_new_is_not_signed_again(record: Write, places: list[Path]) -> None:
    assert audit_anchor(now=NOW, even_if_young=True) is None
    record(1)
    assert audit_anchor(now=NOW, even_if_young=True) is not None
    assert audit_anchor(now=LATER, even_if_young=True) is None
    assert [kept(folder) for folder in places] == [[1], [1]]


def test_a_place_that_fails_is_told_once_and_catches_up(record: Write, places: list[Path]) -> None:
    places[1].write_text("a file where the folder should be")
    for number in range(3):
        record(1, start=NOW + timedelta(seconds=number))
        audit_anchor(now=LATER + timedelta(minutes=number), even_if_young=True)
    assert kept(places[0]) == signed_rows()
    assert len(signed_rows()) == 3
    state = AuditPlace.objects.get(path=str(places[1]))
    assert (state.failing_since, state.written_through) == (LATER, 0)
    assert state.error
    assert len(failures()) == 1
    places[1].unlink()
    audit_anchor(now=LATER + timedelta(hours=1), even_if_young=True)
    assert kept(places[1]) == signed_rows()
    state.refresh_from_db()
    assert (state.error, state.failing_since, state.written_through) == ("", None, signed_rows()[-1])


def test_anchors_that_are_taken_away_are_missed_and_written_again(record: Write, places: list[Path]) -> None:
    record(1)
    audit_anchor(now=NOW, even_if_young=True)
    (places[0] / FILE_NAME).unlink()
    audit_anchor(now=LATER)
    assert kept(places[0]) == [1]
    assert len(failures()) == 1
    assert "up to row 1, now up to 0" in failures()[0]


def test_a_half_written_line_does_not_spoil_the_next(places: list[Path]) -> None:
    key = Ed25519PrivateKey.generate()
    anchors = [sign(key, sequence=n, head="a" * 64, at=NOW) for n in (1, 2)]
    place_append(places[0], anchors[:1])
    with (places[0] / FILE_NAME).open("a") as file:
        file.write('{"sequence": 2, "ha')
    place_append(places[0], anchors[1:])
    assert place_read(places[0]) == (anchors, 1)


@pytest.mark.parametrize("field", ["sequence", "hash", "at", "key", "signature"])
def test_a_changed_anchor_is_not_signed(field: str) -> None:
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    anchor = sign(key, sequence=7, head=chain_of(1, Random(1))[0].hash, at=NOW)
    trusted = {public_hex(key)}
    assert is_signed(anchor, trusted)
    assert anchor_parse(anchor.line()) == anchor
    other_value: Any = {"sequence": 8, "key": public_hex(other)}.get(field, "00" * 32)
    assert not is_signed(replace(anchor, **{field: other_value}), trusted)
    assert not is_signed(sign(other, sequence=7, head=anchor.hash, at=NOW), trusted)


WRONG_TYPE = '{"sequence":"1","hash":"","at":"","key":"","signature":""}'


@pytest.mark.parametrize("line", ["", "[]", "{}", '{"sequence": 1}', "nonsense", WRONG_TYPE])
def test_what_is_no_anchor_is_not_taken_for_one(line: str) -> None:
    with pytest.raises(ValueError, match="not an anchor"):
        anchor_parse(line)


def test_the_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "key.pem"
    first = key_create(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert public_hex(key_create(path)) == public_hex(first) == public_hex(key_load(path))
    assert [found.name for found in path.parent.iterdir()] == ["key.pem"]


def test_a_key_that_others_may_read_is_not_used(record: Write, places: list[Path], settings: Any) -> None:
    key_create(settings.AUDIT_KEY_FILE).sign(b"")
    settings.AUDIT_KEY_FILE.chmod(0o644)
    with pytest.raises(AuditKeyUnusable, match="0600"):
        key_load(settings.AUDIT_KEY_FILE)
    record(1)
    assert audit_anchor(now=LATER) is None
    assert audit_anchor(now=LATER) is None
    assert len(failures()) == 1
    assert "0600" in chain_state().key_error
    settings.AUDIT_KEY_FILE.chmod(0o600)
    assert audit_anchor(now=LATER) is not None
    assert chain_state().key_error == ""


def test_a_key_that_is_gone_is_not_replaced_in_silence(record: Write, places: list[Path], settings: Any) -> None:
    record(1)
    first = audit_anchor(now=NOW, even_if_young=True)
    assert first is not None
    settings.AUDIT_KEY_FILE.unlink()
    record(1)
    assert audit_anchor(now=LATER) is None
    assert first.public_key in failures()[0]
    settings.AUDIT_FORMER_KEYS = [first.public_key]
    second = audit_anchor(now=LATER)
    assert second is not None
    assert second.public_key != first.public_key
    assert trusted_keys() == {first.public_key, second.public_key}


def test_the_command_says_where_heads_lie_and_with_which_key(
    record: Write, places: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    record(2)
    call_command("audit_anchor")
    said = capsys.readouterr().out
    key = AuditAnchor.objects.get().public_key
    assert f"signed through row 2\npublic key {key}" in said
    assert all(f"{folder}: through row 2" in said for folder in places)
    call_command("audit_anchor", "--public-key")
    assert capsys.readouterr().out == f"{key}\n"


def test_the_command_fails_when_a_place_does(record: Write, places: list[Path], settings: Any) -> None:
    record(1)
    places[0].write_text("in the way")
    with pytest.raises(SystemExit):
        call_command("audit_anchor")
    settings.AUDIT_KEY_FILE.write_text("no key")
    settings.AUDIT_KEY_FILE.chmod(0o600)
    with pytest.raises(CommandError, match="holds no key"):
        call_command("audit_anchor")
