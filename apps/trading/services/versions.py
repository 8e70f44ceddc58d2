"""Versions of the decision code: found when a process runs them, reviewed by a person, and the names they use."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction

from apps.core.exceptions import Refused
from apps.engine.rollout import ExecutionMode
from apps.engine.strategies import registry
from apps.engine.strategies.params import describe
from apps.governance.models import ApprovalRequest
from apps.governance.services import approval_request, audit_record
from apps.trading.models import ParameterName, Strategy, StrategyConfig, StrategyVersion
from apps.trading.parameter_catalog import CATALOG, RETIRED

from .parameter_sets import schema_hash

VERSION_APPROVE = "trading.version.approve"
FINDER = "system:strategies"


class NameReused(Refused):
    """A parameter name has come back from the dead, or means something else than it did."""

    code = "name_reused"


class CodeNotHere(Refused):
    """The version's code is not what this release ships, so it cannot be judged or armed here."""

    code = "code_not_here"


def versions_register(*, now: datetime, actor: User | None = None, label: str = FINDER) -> list[StrategyVersion]:
    """Writes down every strategy this release ships as found and unreviewed; returns those that are new.

    Raises `NameReused` for a parameter whose name was retired or meant something else.
    """
    with transaction.atomic():
        names_note(now=now)
        return [version for kernel in registry.STRATEGIES.values() if (version := _register(kernel, now, actor, label))]


def _register(kernel: registry.Strategy, now: datetime, actor: User | None, label: str) -> StrategyVersion | None:
    strategy = Strategy.objects.filter(kernel=kernel.slug).order_by("id").first()
    if strategy is None:
        strategy = Strategy.objects.create(
            slug=kernel.slug, name=kernel.title, kernel=kernel.slug, description=f"{kernel.title}."
        )
    version, created = StrategyVersion.objects.get_or_create(
        strategy=strategy,
        code_hash=kernel.code_hash,
        defaults={
            "schema_hash": schema_hash(kernel.slug),
            "created_at": now,
            "notes": f"Rules version {kernel.version}",
        },
    )
    if not created:
        return None
    audit_record(
        actor=actor,
        actor_label=None if actor else label,
        action="trading.strategy_version.found",
        obj_type=StrategyVersion._meta.label,
        obj_id=version.pk,
        after={"strategy": strategy.slug, "code_hash": version.code_hash, "schema_hash": version.schema_hash},
        now=now,
    )
    return version


def names_in_code() -> dict[str, str]:
    """Every name this release knows, with its unit; a kernel's field is kernel.field."""
    found = {name: known.unit.name.lower() for name, known in CATALOG.items()}
    for kernel in registry.STRATEGIES.values():
        found |= {f"{kernel.slug}.{info.name}": info.unit.value for info in describe(kernel.params_type())}
    return found


def names_note(*, now: datetime) -> None:
    """Remembers new names and retires those that are gone. Raises `NameReused`; then nothing is remembered."""
    known, present = {row.name: row for row in ParameterName.objects.all()}, names_in_code()
    for name, unit in present.items():
        row = known.get(name)
        if name in RETIRED or (row is not None and row.retired_at is not None):
            raise NameReused(f"The parameter name {name} was retired and may not be used again")
        if row is not None and row.unit != unit:
            raise NameReused(f"The parameter {name} was in {row.unit} and may not be in {unit}: give it another name")
    ParameterName.objects.bulk_create(
        [ParameterName(name=name, unit=unit, first_seen_at=now) for name, unit in present.items() if name not in known]
    )
    ParameterName.objects.filter(retired_at=None).exclude(name__in=present).update(retired_at=now)


def version_review_propose(
    *,
    version: StrategyVersion,
    scope: Sequence[str],
    execution_styles: Sequence[str],
    reason: str,
    actor: User,
    now: datetime,
) -> ApprovalRequest:
    """Asks another person to review a version for these markets and styles. The one who signs is its reviewer.

    Raises `CodeNotHere`, `Refused` for an unknown style, and the errors of `approval_request`.
    """
    return approval_request(
        action=VERSION_APPROVE,
        target_type=StrategyVersion._meta.label,
        target_id=version.pk,
        payload={
            "code_hash": version.code_hash,
            "schema_hash": version.schema_hash or schema_hash(version.strategy.kernel),
            "scope": sorted(set(scope)),
            "execution_styles": sorted(set(execution_styles)),
        },
        reason=reason,
        actor=actor,
        now=now,
    )


def version_check(version: StrategyVersion, scope: Sequence[str], execution_styles: Sequence[str]) -> None:
    """Whether a review for this scope could be signed here. Raises `CodeNotHere` and `Refused`."""
    require_code_here(version)
    if not scope:
        raise Refused("Say which series, events or markets the review covers", code="no_scope")
    unknown = set(execution_styles) - {mode.value for mode in ExecutionMode}
    if unknown or not execution_styles:
        raise Refused(f"No execution style is called {', '.join(sorted(unknown)) or 'nothing'}", code="unknown_style")


def require_code_here(version: StrategyVersion) -> None:
    """Raises `CodeNotHere` unless this process runs exactly this code."""
    here = registry.STRATEGIES.get(version.strategy.kernel)
    if here is None or here.code_hash != version.code_hash:
        runs = "none of that name" if here is None else here.code_hash[:12]
        raise CodeNotHere(f"{version.strategy} {version.code_hash[:12]} is not what this release ships: {runs}")


def version_reviewed(
    *, version: StrategyVersion, scope: list[str], execution_styles: list[str], approval: ApprovalRequest,
    reviewer: User, now: datetime,
) -> None:  # fmt: skip
    """For the approval handler only. Sessions look again at every config of the version."""
    StrategyVersion.objects.filter(pk=version.pk).update(
        scope=scope,
        execution_styles=execution_styles,
        schema_hash=schema_hash(version.strategy.kernel),
        reviewed_by=reviewer,
        reviewed_at=now,
        approval=approval,
    )
    StrategyConfig.objects.filter(version=version).update(updated_at=now)
