from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from apps.core.exceptions import NotPermitted, Refused
from apps.governance.models import AuditEvent, Comment, RedesignProposal
from apps.governance.proposal_selectors import comment_list
from apps.governance.services.comments import comment_add
from tests import factories as make
from tests.factories import NOW

pytestmark = pytest.mark.django_db
Team = dict[str, User]
LABEL = "governance.RedesignProposal"


def say(
    actor: User, obj_id: object, text: str = "Look at the depth", obj_type: str = LABEL, supplements: int | None = None
) -> Comment:
    return comment_add(obj_type=obj_type, obj_id=obj_id, text=text, actor=actor, now=NOW, supplements=supplements)


def test_a_remark_stands_at_its_object_and_in_its_trail(case: RedesignProposal, team: Team) -> None:
    made = say(team["scalper"], case.pk)
    assert list(comment_list(obj_type=LABEL, obj_id=case.pk)) == [made]
    said = AuditEvent.objects.get(action="comment.add")
    assert (said.object_type, said.object_id, said.after["text"]) == (LABEL, str(case.pk), "Look at the depth")


def test_any_object_can_be_remarked_on(team: Team) -> None:
    order = make.order()
    say(team["cliff"], order.pk, obj_type="trading.Order")
    assert comment_list(obj_type="trading.Order", obj_id=order.pk).count() == 1
    assert comment_list(obj_type="trading.Order", obj_id=order.pk + 1).count() == 0


@pytest.mark.parametrize(
    ("obj_type", "obj_id"), [(LABEL, 99), ("trading.Nothing", 1), ("nonsense", 1), (LABEL, "one")], ids=str
)
def test_what_is_not_there_cannot_be_remarked_on(
    case: RedesignProposal, team: Team, obj_type: str, obj_id: object
) -> None:
    with pytest.raises(Refused, match="There is no"):
        say(team["cliff"], obj_id, obj_type=obj_type)
    assert not Comment.objects.exists()


def test_a_correction_is_a_supplement_by_the_same_person(case: RedesignProposal, team: Team) -> None:
    first = say(team["scalper"], case.pk)
    with pytest.raises(NotPermitted):
        say(team["cliff"], case.pk, "No, the spread", supplements=first.pk)
    second = say(team["scalper"], case.pk, "I meant the spread", supplements=first.pk)
    assert (second.supplements, first.text) == (first, "Look at the depth")
    for attempt in (first.save, first.delete, Comment.objects.all().delete):
        with pytest.raises(Refused):
            attempt()


def test_a_supplement_belongs_to_the_same_object(case: RedesignProposal, team: Team) -> None:
    order = make.order()
    first = say(team["cliff"], order.pk, obj_type="trading.Order")
    with pytest.raises(Refused, match="no such remark"):
        say(team["cliff"], case.pk, supplements=first.pk)


@pytest.mark.parametrize(
    "text", ["", "  ", "x" * 4001, "What a b" + "et that was"], ids=["none", "blank", "long", "word"]
)
def test_empty_long_and_banned_text_is_refused(case: RedesignProposal, team: Team, text: str) -> None:
    with pytest.raises(Refused):
        say(team["cliff"], case.pk, text)
    assert not Comment.objects.exists()


@pytest.mark.parametrize("name", ["viewer", "eve"])
def test_without_the_right_nothing_is_said(case: RedesignProposal, team: Team, name: str) -> None:
    with pytest.raises(NotPermitted):
        say(team[name], case.pk)
    assert not Comment.objects.exists()
