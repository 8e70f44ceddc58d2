"""What somebody with a connection to the database can do behind the platform's back."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, transaction

from apps.governance.models import ApprovalRequest, ApprovalVote, SignoffRule

from .acts import WHY
from .oracle import Oracle

TAMPERED = (
    "payload",
    "current",
    "rows",
    "requester_id",
    "editor_id",
    "expires_at",
    "apply_after",
    "params_hash",
    "risk",
)


class Intruder:
    """Steps against the rows; a sequence has the rest."""

    oracle: Oracle
    people: dict[str, User]
    random: random.Random
    now: datetime

    def _key(self) -> int:
        raise NotImplementedError

    def _name(self) -> str:
        raise NotImplementedError

    def _row(self, key: int) -> ApprovalRequest:
        return ApprovalRequest.objects.get(pk=key)

    def tamper(self) -> None:
        key, column = self._key(), self.random.choice(TAMPERED)
        other = self.people[self._name()].pk
        values: dict[str, Any] = {
            "payload": json.dumps({"value": 99}),
            "current": json.dumps({"value": self.random.randrange(50, 90)}),
            "rows": "[]",
            "expires_at": self.now + timedelta(days=30),
            "apply_after": self.now - timedelta(seconds=self.random.randrange(1, 99)),
            "params_hash": "0" * 64,
            "risk": "neutral",
            "requester_id": other,
            "editor_id": other,
        }
        before = ApprovalRequest.objects.filter(pk=key).values_list(column, flat=True)[0]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE governance_approvalrequest SET {column} = %s WHERE id = %s",  # noqa: S608
                [values[column], key],
            )
        if before != ApprovalRequest.objects.filter(pk=key).values_list(column, flat=True)[0]:
            self.oracle.asked[key].is_altered = True

    def forge(self) -> None:
        """Writes a signature of somebody else, or one's own, without the key."""
        key, voter = self._key(), self.people[self._name()]
        row = self._row(key)
        with transaction.atomic():
            ApprovalVote.objects.create(
                request=row,
                revision=row.revision,
                requester_id=self.random.choice([row.requester_id, self.people["eve"].pk]),
                last_editor_id=self.random.choice([row.editor_id, self.people["eve"].pk]),
                voter=voter,
                vote="approve",
                statement="{}",
                digest="0" * 64,
                seal="0" * 64,
                reason=WHY,
                voted_at=self.now,
            )
        self.oracle.asked[key].is_altered = True

    def replay(self) -> None:
        """Copies the signatures of an earlier revision under the present one."""
        key = self._key()
        row = self._row(key)
        for vote in ApprovalVote.objects.filter(request=row, revision__lt=row.revision):
            vote.pk, vote._state.adding, vote.revision = None, True, row.revision
            with transaction.atomic():
                vote.save()
            self.oracle.asked[key].is_altered = True

    def reopen(self) -> None:
        key = self._key()
        closed = ApprovalRequest.objects.filter(pk=key).exclude(status="open")
        with transaction.atomic():
            if closed.update(status="open", closed_at=None):
                self.oracle.asked[key].is_altered, self.oracle.asked[key].is_closed = True, False

    def weaken_rule(self) -> None:
        rows = SignoffRule.objects.all()
        with transaction.atomic():
            if self.random.random() < 0.5:
                rows.delete()
            else:
                rows.update(needs={"boss": 1})
