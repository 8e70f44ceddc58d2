from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from apps.core.exceptions import Refused
from apps.governance.handlers import handler_for, register
from apps.governance.models import AuditEvent, SystemEvent
from apps.governance.services import audit_record, system_event_record
from tests.factories import NOW, user

pytestmark = pytest.mark.django_db
NAIVE = datetime(2026, 11, 20)  # noqa: DTZ001  the point of the test


def test_audit_record_keeps_numbers_and_times_as_text(settings: object) -> None:
    alice = user("alice")
    event = audit_record(
        actor=alice,
        action="test.thing.change",
        obj_type="test.Thing",
        obj_id=7,
        before={"value": Decimal("0.10")},
        after={"value": Decimal("0.2"), "at": NOW},
        reason="because",
        now=NOW,
    )
    event.refresh_from_db()
    assert (event.before, event.after) == ({"value": "0.10"}, {"value": "0.2", "at": "2026-11-20T12:00:00Z"})
    assert (event.actor, event.actor_label, event.object_id, event.created_at) == (alice, "alice", "7", NOW)
    assert event.release == "development"
    assert list(AuditEvent.objects.filter(object_type="test.Thing", object_id="7")) == [event]


@pytest.mark.parametrize(
    "wrong", [{"action": "NotDotted"}, {"action": "one"}, {"actor_label": None}, {"now": NAIVE}], ids=str
)
def test_audit_record_refuses_what_could_not_be_read_later(wrong: dict[str, object]) -> None:
    fields = {
        "actor": None,
        "actor_label": "system:test",
        "action": "test.thing.change",
        "obj_type": "test.Thing",
        "obj_id": 1,
        "now": NOW,
    }
    with pytest.raises(ValueError, match=r"audit|aware"):
        audit_record(**(fields | wrong))  # type: ignore[arg-type]
    assert not AuditEvent.objects.exists()


def test_facts_cannot_be_changed_or_removed() -> None:
    event = system_event_record(code="DESYNC", severity="warning", source="test", message="gap", now=NOW)
    event.message = "nothing happened"
    for attempt in (event.save, event.delete, SystemEvent.objects.all().delete):
        with pytest.raises(Refused):
            attempt()
    with pytest.raises(Refused):
        SystemEvent.objects.update(message="nothing happened")
    assert SystemEvent.objects.get().message == "gap"


@pytest.mark.parametrize(("code", "severity"), [("lower", "info"), ("OK", "loud"), ("", "info")])
def test_system_event_refuses_unstable_codes_and_unknown_severities(code: str, severity: str) -> None:
    with pytest.raises(ValueError, match=r"code|loud"):
        system_event_record(code=code, severity=severity, source="test", message="x", now=NOW)


def test_an_action_belongs_to_one_handler() -> None:
    resume = handler_for("risk.resume")
    register("risk.resume", resume)
    with pytest.raises(ValueError, match="already registered"):
        register("risk.resume", handler_for("risk.limit.change"))
    assert handler_for("risk.resume") is resume
