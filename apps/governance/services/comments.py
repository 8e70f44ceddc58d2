"""Remarks on any object of the platform, so that nothing is discussed off the record."""

from __future__ import annotations

from datetime import datetime

from django.apps import apps
from django.contrib.auth.models import User
from django.db import transaction

from apps.core.exceptions import NotPermitted, Refused
from apps.core.permissions import require
from apps.core.wording import checked_words
from apps.governance.choices import ProposalPermission
from apps.governance.models import Comment

from .records import audit_record

MAX_LENGTH = 4000


class BadComment(Refused):
    code = "bad_comment"


def comment_add(
    *, obj_type: str, obj_id: object, text: str, actor: User, now: datetime, supplements: int | None = None
) -> Comment:
    """A remark on one object, by model label and key. It cannot be changed; its own author may supplement it.

    Raises `NotPermitted`, `BadComment` for an empty or long text, an unknown object or a supplement to something else.
    """
    require(actor, ProposalPermission.COMMENT.full)
    text = checked_words(text.strip(), field="text")
    if not text or len(text) > MAX_LENGTH:
        raise BadComment(f"A remark has 1 to {MAX_LENGTH} characters", extra={"field": "text"})
    _require_object(obj_type, obj_id)
    with transaction.atomic():
        first = _supplemented(supplements, obj_type, obj_id, actor)
        made = Comment.objects.create(
            object_type=obj_type, object_id=str(obj_id), text=text, supplements=first, author=actor, created_at=now
        )
        audit_record(
            actor=actor,
            action="comment.add",
            obj_type=obj_type,
            obj_id=obj_id,
            after={"comment": made.pk, "text": text, "supplements": supplements},
            now=now,
        )
    return made


def _require_object(obj_type: str, obj_id: object) -> None:
    try:
        model = apps.get_model(obj_type)
        exists = model._default_manager.filter(pk=obj_id).exists()
    except (LookupError, ValueError):
        exists = False
    if not exists:
        raise BadComment(f"There is no {obj_type} {obj_id}")


def _supplemented(supplements: int | None, obj_type: str, obj_id: object, actor: User) -> Comment | None:
    if supplements is None:
        return None
    first = Comment.objects.filter(pk=supplements, object_type=obj_type, object_id=str(obj_id)).first()
    if first is None:
        raise BadComment("There is no such remark here")
    if first.author_id != actor.pk:
        raise NotPermitted("Only its author supplements a remark; write one of your own")
    return first
