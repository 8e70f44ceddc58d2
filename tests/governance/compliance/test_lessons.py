"""Lessons and what an installation starts with."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from apps.core.exceptions import Conflict, NotPermitted, Refused
from apps.governance.compliance_selectors import lesson_list
from apps.governance.models import AuditEvent, Incident, IncidentAction, IncidentEntry, Lesson, TermsVersion
from apps.governance.services.compliance_seeding import INCIDENT_0, compliance_seed
from apps.governance.services.lessons import About, lesson_write
from apps.trading.models import StrategyVersion
from tests import factories as make
from tests.factories import NOW

pytestmark = pytest.mark.django_db
TEXT = "Compare what was sent with what was filled, every minute."


def write(by: User, **fields: object) -> Lesson:
    values = {"title": "Watch fills", "text": TEXT} | fields
    return lesson_write(actor=by, now=NOW, **values)  # type: ignore[arg-type]


def test_a_lesson_is_found_by_the_strategy_version_it_is_about(team: dict[str, User]) -> None:
    version = make.config().version
    about = About(StrategyVersion._meta.label, str(version.pk), str(version))
    lesson = write(team["scalper"], about=[about, about], tags=" fills, ,fills, depth ")
    assert lesson.tags == "fills, depth"
    link = lesson.links.get()
    assert (link.object_type, link.object_id, link.label) == ("trading.StrategyVersion", str(version.pk), str(version))
    assert list(lesson_list(object_type=about.object_type, object_id=about.object_id)) == [lesson]
    assert not lesson_list(object_type=about.object_type, object_id="999").exists()
    assert list(lesson_list(words="minute depth")) == [lesson]
    assert not lesson_list(words="minute weather").exists()
    assert AuditEvent.objects.get(action="compliance.lesson.write").after["about"] == [str(version)]


def test_a_better_lesson_replaces_one_once_and_both_stay(team: dict[str, User]) -> None:
    old = write(team["scalper"])
    new = write(team["cliff"], title="Watch fills and depth", replaces_id=old.pk)
    assert list(lesson_list()) == [new]
    with pytest.raises(Conflict, match="replaced"):
        write(team["cliff"], replaces_id=old.pk)
    assert Lesson.objects.count() == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": "x"},
        {"text": "too short"},
        {"text": TEXT + " Or w" + "ager less."},
        {"tags": "o" + "dds"},
        {"tags": "x" * 300},
    ],
    ids=["title", "text", "word", "tag", "tags"],
)
def test_a_lesson_that_cannot_be(team: dict[str, User], wrong: dict[str, str]) -> None:
    with pytest.raises(Refused):
        write(team["scalper"], **wrong)
    assert not Lesson.objects.exists()


@pytest.mark.parametrize("name", ["viewer", "eve"])
def test_who_may_not_write(team: dict[str, User], name: str) -> None:
    with pytest.raises(NotPermitted):
        write(team[name])


def test_incident_0_is_loaded_once_with_what_is_known_and_what_is_not(team: dict[str, User]) -> None:
    for _ in range(2):
        compliance_seed(now=NOW)
    incident = Incident.objects.get(reference=INCIDENT_0)
    assert "$77.99" in incident.title
    assert "7,822" in incident.title
    assert (incident.severity, incident.status, incident.owner) == ("critical", "mitigated", team["cliff"])
    assert incident.entries.filter(kind="cause").count() == 4
    assert IncidentEntry.objects.filter(text__startswith="Not explained").count() == 1
    assert set(IncidentAction.objects.values_list("owner__username", flat=True)) == {"scalper", "cliff", "craig"}
    assert Lesson.objects.get().incident == incident
    assert TermsVersion.objects.get().number == 1
    assert AuditEvent.objects.filter(action="compliance.incident.load").count() == 1


def test_without_the_people_the_record_is_loaded_all_the_same(db: None) -> None:
    compliance_seed(now=NOW)
    assert Incident.objects.get().owner is None
