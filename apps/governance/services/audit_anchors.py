"""Signs the chain's end now and then, and sees that the signature lies where the database's keeper cannot reach."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.db import transaction

from apps.governance.audit.anchors import key_create, key_load, place_append, place_has, place_read, sign
from apps.governance.audit.errors import AuditKeyUnusable
from apps.governance.audit_selectors import KEY_PLACE, anchor_list, anchor_places, chain_head
from apps.governance.models import AuditAnchor, AuditEvent, AuditHead, AuditPlace

from .audit_alarm import audit_alarm
from .audit_chain import HEAD_KEY

WINDOW_ROWS, WINDOW = 100, timedelta(seconds=60)
"""What may be written without a signed head. It is taken at half of that, since the job only looks now and then."""
FAILED = "AUDIT_ANCHOR_FAILED"


def audit_anchor(*, now: datetime, even_if_young: bool = False) -> AuditAnchor | None:
    """Signs the chain's end if that is due, or if `even_if_young` and there are rows without a signature.

    Returns the new anchor, if any. Every place is brought up to date in any case; one that cannot be written, or a key
    that cannot be used, raises AUDIT_ANCHOR_FAILED once until it works again.
    """
    anchor = None
    try:
        anchor = _signed(now, even_if_young=even_if_young)
    except (OSError, AuditKeyUnusable) as error:
        _note(KEY_PLACE, now, error=str(error))
    else:
        _note(KEY_PLACE, now)
    for folder in anchor_places():
        _deliver(folder, now)
    return anchor


def signing_key() -> Ed25519PrivateKey:
    """The key that signs heads, made at its first use. Raises `AuditKeyUnusable`, or `OSError`.

    A key that is gone after it has signed is not replaced in silence: its successor needs the old public key among
    AUDIT_FORMER_KEYS.
    """
    path = Path(settings.AUDIT_KEY_FILE)
    try:
        return key_load(path)
    except FileNotFoundError:
        used = set(AuditAnchor.objects.order_by().values_list("public_key", flat=True).distinct())
        if unknown := used - set(settings.AUDIT_FORMER_KEYS):
            raise AuditKeyUnusable(
                f"The key that signed before is gone from {path.name}: bring it back, or name its public key "
                f"{min(unknown)} among AUDIT_FORMER_KEYS"
            ) from None
        return key_create(path)


def _signed(now: datetime, *, even_if_young: bool) -> AuditAnchor | None:
    if not _is_due(now, even_if_young=even_if_young):
        return None
    key = signing_key()
    with transaction.atomic():
        head = AuditHead.objects.select_for_update().get(pk=HEAD_KEY)
        if AuditAnchor.objects.filter(sequence=head.sequence).exists():
            return None
        made = sign(key, sequence=head.sequence, head=head.hash, at=now)
        return AuditAnchor.objects.create(
            sequence=made.sequence, hash=made.hash, created_at=now, public_key=made.key, signature=made.signature
        )


def _is_due(now: datetime, *, even_if_young: bool) -> bool:
    height, _ = chain_head()
    last = AuditAnchor.objects.first()
    signed = last.sequence if last else 0
    if height <= signed:
        return False
    if even_if_young or height - signed >= WINDOW_ROWS // 2:
        return True
    oldest = AuditEvent.objects.filter(sequence=signed + 1).values_list("created_at", flat=True).first()
    return oldest is None or now - oldest >= WINDOW / 2


def _deliver(folder: Path, now: datetime) -> None:
    """Writes every anchor that does not lie there yet; what lies there is read, not assumed."""
    state, _ = AuditPlace.objects.get_or_create(path=str(folder))
    newest = AuditAnchor.objects.first()
    if newest is None or (not state.error and state.written_through == newest.sequence and place_has(folder)):
        return
    try:
        kept, _ = place_read(folder)
        through = max((anchor.sequence for anchor in kept), default=0)
        if through < state.written_through:
            _report(str(folder), now, f"it had anchors up to row {state.written_through}, now up to {through}")
        place_append(folder, anchor_list(after=through))
    except OSError as error:
        _note(str(folder), now, error=error.strerror or str(error))
    else:
        _note(str(folder), now, written_through=newest.sequence)


def _note(path: str, now: datetime, *, error: str = "", written_through: int | None = None) -> None:
    """Keeps the place's state, if it is another than before; the first failure after a success is reported."""
    state, _ = AuditPlace.objects.get_or_create(path=path)
    if not error and not state.error and written_through is None:
        return
    if error and not state.failing_since:
        _report(path, now, error)
    state.failing_since = (state.failing_since or now) if error else None
    state.error = error
    if written_through is not None:
        state.written_through, state.written_at = written_through, now
    state.save()


def _report(path: str, now: datetime, problem: str) -> None:
    audit_alarm(
        code=FAILED,
        message=f"Signed heads of the audit chain do not reach {path}: {problem}",
        details={"place": path, "problem": problem},
        now=now,
    )
