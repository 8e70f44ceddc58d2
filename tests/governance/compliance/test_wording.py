"""Banned words in stored text: refused from people, flagged where nothing may be refused, never changed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from apps.core.exceptions import NotPermitted, Refused
from apps.core.wording import BannedWord, banned_in, checked_words, masked
from apps.governance.models import AuditEvent, WordingFlag
from apps.governance.services import system_event_record
from apps.governance.services.wording import TEXTS, wording_review, wording_scan
from apps.risk.models import KillRun
from apps.risk.services import kill_switch_trip
from tests import factories as make
from tests.factories import NOW

BAD = "b" + "et"
WORD = "o" + "dds"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (f"a {BAD}", BAD),
        (f"{BAD}s, really", BAD + "s"),
        (f"{BAD.upper()}TING", BAD.upper() + "TING"),
        (f"place{BAD.capitalize()}(order)", BAD.capitalize()),
        (f"{BAD.capitalize()}Size", BAD.capitalize()),
        (f"net_{WORD}", WORD),
        (f"{BAD}_size", BAD),
        ("w" + "agered", "w" + "agered"),
        ("g" + "amblers", "g" + "amblers"),
        ("net p" + "ayout", "p" + "ayout"),
        ("a p" + "ay-out", "p" + "ay-out"),
        ("b\u00ad" + "e\u200bt", BAD),
        ("".join(chr(ord(one) + 0xFEE0) for one in BAD), BAD),
    ],
)
def test_a_banned_word_is_found_however_it_is_dressed(text: str, word: str) -> None:
    assert [found.word for found in banned_in(text)] == [word]
    with pytest.raises(BannedWord) as refused:
        checked_words(text, field="note")
    assert refused.value.extra["field"] == "note"
    assert word in refused.value.message
    assert refused.value.extra["suggestion"] in refused.value.message


@pytest.mark.parametrize(
    "text",
    ["", "between better beta alphabet", "BETTER", "goddess swagger", "Tibet Elizabeth", "the diabetes market",
     "they pay out at noon", "ambled", "a layout", "oddly"],
)  # fmt: skip
def test_innocent_words_pass_unchanged(text: str) -> None:
    assert checked_words(text) == text
    assert masked(text) == text


def test_text_of_the_exchange_is_covered_for_the_eye_only() -> None:
    assert masked(f"Will the {WORD} of a {BAD} move?") == "Will the o••• of a b•• move?"


@pytest.mark.django_db
def test_what_could_not_be_refused_is_flagged_with_who_wrote_it_and_nothing_is_changed(team: dict[str, User]) -> None:
    title = f"Will the {WORD} move?"
    market = make.market("KXODD-1", title=title)
    kill_switch_trip(scope="global", reason=f"that {BAD} was ours", actor=team["viewer"], now=NOW)
    system_event_record(code="TEST", severity="info", source="test", message=f"the {BAD} is off", now=NOW)
    assert wording_scan(now=NOW) == 4
    assert wording_scan(now=NOW + timedelta(hours=1)) == 0
    flags = {(row.object_type, row.field): (row.source, row.words) for row in WordingFlag.objects.all()}
    assert flags == {
        ("marketdata.Market", "title"): ("exchange", [WORD]),
        ("risk.KillRun", "reason"): ("person", [BAD]),
        ("governance.AuditEvent", "reason"): ("person", [BAD]),
        ("governance.SystemEvent", "message"): ("platform", [BAD]),
    }
    market.refresh_from_db()
    assert market.title == title
    assert KillRun.objects.get().reason == f"that {BAD} was ours"


@pytest.mark.django_db
def test_every_column_that_is_looked_through_exists() -> None:
    from django.apps import apps

    for stored in TEXTS:
        apps.get_model(stored.label)._meta.get_field(stored.field)


@pytest.mark.django_db
def test_a_flag_is_reviewed_once_by_who_may(team: dict[str, User]) -> None:
    make.market("KXODD-1", title=f"Will the {WORD} move?")
    wording_scan(now=NOW)
    flag = WordingFlag.objects.get()
    for name in ("scalper", "cliff", "viewer", "eve"):
        with pytest.raises(NotPermitted):
            wording_review(flag_id=flag.pk, review="the exchange's own title", actor=team[name], now=NOW)
    with pytest.raises(Refused):
        wording_review(flag_id=flag.pk, review=" ", actor=team["craig"], now=NOW)
    done = wording_review(flag_id=flag.pk, review="the exchange's own title", actor=team["craig"], now=NOW)
    assert (done.reviewed_by, done.reviewed_at) == (team["craig"], NOW)
    with pytest.raises(Refused, match="looked"):
        wording_review(flag_id=flag.pk, review="once more", actor=team["craig"], now=NOW)
    assert AuditEvent.objects.get(action="compliance.wording.review").reason == "the exchange's own title"
