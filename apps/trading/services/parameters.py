"""Parameters of an armed strategy: proposed by one person, in force once another has approved them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from apps.core.exceptions import Refused
from apps.governance.evidence import EvidenceLink
from apps.governance.models import ApprovalRequest
from apps.governance.services import approval_request
from apps.trading.choices import ParameterStatus
from apps.trading.models import ParameterSet, StrategyConfig

from .parameter_sets import (
    BadParameters,
    Document,
    document_changed,
    document_checked,
    document_hash,
    document_of,
)

PARAMETERS_CHANGE = "trading.parameters.change"

__all__ = [
    "PARAMETERS_CHANGE",
    "BadParameters",
    "NoParameters",
    "parameters_complete",
    "parameters_draft",
    "parameters_hash",
    "parameters_in_force",
    "parameters_payload",
    "parameters_propose",
    "parameters_put_in_force",
]


class NoParameters(Refused):
    """No approved parameters are in force; nothing may be quoted."""

    code = "no_parameters"


def parameters_in_force(config: StrategyConfig) -> ParameterSet:
    """The approved set with the highest number. Raises `NoParameters`."""
    found = config.parameter_sets.filter(status=ParameterStatus.APPROVED).order_by("-number").first()
    if found is None:
        raise NoParameters(f"{config} has no approved parameters")
    return found


def parameters_complete(
    *, kernel: str, values: Mapping[str, str], base: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Every parameter of the strategy in its canonical text, from `base` (the defaults if none) and `values`.

    Raises `BadParameters` for the first value that is unknown, unreadable or out of bounds.
    """
    return document_checked(kernel, Document(dict(base or {}) | dict(values))).values


def parameters_hash(*, kernel: str, values: Mapping[str, str]) -> str:
    """The hash of a set that has these values and nothing else."""
    return document_hash(kernel, Document(dict(values)))


def parameters_payload(kernel: str, document: Document) -> dict[str, object]:
    """What a request carries: the whole set and its hash."""
    return document.as_json() | {"params_hash": document_hash(kernel, document)}


def parameters_propose(
    *,
    config: StrategyConfig,
    values: Mapping[str, str],
    reason: str,
    actor: User,
    now: datetime,
    category: str = "",
    evidence: Sequence[EvidenceLink] = (),
) -> ApprovalRequest:
    """Asks for new values; those not named stay as they are. Nothing changes until others approve.

    Names are the kernel's own or the catalog's, also with a category's ending; see `document_changed`. Raises
    `BadParameters`, `Refused` when nothing would change, and the errors of `approval_request`.
    """
    kernel = config.version.strategy.kernel
    in_force = parameters_in_force(config)
    document = document_changed(kernel, document_of(in_force), values, category=category)
    return approval_request(
        action=PARAMETERS_CHANGE,
        target_type=StrategyConfig._meta.label,
        target_id=config.pk,
        payload=parameters_payload(kernel, document),
        reason=reason,
        actor=actor,
        now=now,
        evidence=evidence,
    )


def parameters_put_in_force(
    *,
    config: StrategyConfig,
    values: Mapping[str, str],
    overrides: Mapping[str, dict[str, str]] | None = None,
    stored: Mapping[str, str] | None = None,
    approval: ApprovalRequest | None,
    created_by: User | None,
    now: datetime,
) -> ParameterSet:
    """Adds the next number and retires those before. For approvals, the fallback and seeding only."""
    document = Document(dict(values), dict(overrides or {}), dict(stored or {}))
    with transaction.atomic():
        row = parameters_draft(config, document)
        config.parameter_sets.filter(status=ParameterStatus.APPROVED).update(status=ParameterStatus.RETIRED)
        row.status, row.approval, row.created_by, row.created_at = ParameterStatus.APPROVED, approval, created_by, now
        row.save(force_insert=True)
    return row


def parameters_draft(config: StrategyConfig, document: Document) -> ParameterSet:
    """The next set of a config, not yet stored. Locks the config until the transaction ends."""
    list(StrategyConfig.objects.select_for_update().filter(pk=config.pk))
    newest = config.parameter_sets.order_by("-number").first()
    return ParameterSet(
        config=config,
        number=newest.number + 1 if newest else 1,
        values=document.values,
        overrides=document.overrides,
        stored=document.stored,
        params_hash=document_hash(config.version.strategy.kernel, document),
    )
