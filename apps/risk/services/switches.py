"""Switches as people see them: their state now, their thresholds in force, and the drills that prove them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max

from apps.engine.decimals import money_from_decimal, money_to_decimal
from apps.engine.errors import BadNumber
from apps.engine.switches.base import Switch, Thresholds
from apps.engine.switches.catalogue import SWITCHES, drill
from apps.engine.types import Money
from apps.governance.choices import Severity
from apps.governance.services import audit_record, system_event_record
from apps.risk.models import NavDay, SwitchDrill, SwitchSetting, SwitchStatus

DRILL_MAX_AGE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class StatusRecord:
    """What one switch shows now; texts carry their units."""

    key: str
    state: str
    scope: str
    scope_id: str
    value: str
    threshold: str
    message: str
    input_at: datetime | None
    tripped_at: datetime | None


@dataclass(frozen=True, slots=True)
class NavRecord:
    """An account's net asset value on one trading day, in $0.000001."""

    day: date
    opening_nav: Money
    opening_put_in: Money
    high_water: Money
    stage: str
    nav: Money
    put_in: Money


@dataclass(frozen=True, slots=True)
class SwitchRow:
    """One line of the page: what the switch is, its thresholds in force, its state and its newest drill."""

    switch: Switch[Any, Any]
    thresholds: Thresholds | None
    status: SwitchStatus | None
    drill: SwitchDrill | None
    is_drill_due: bool


def switch_statuses_store(*, account: str, records: Sequence[StatusRecord], now: datetime) -> None:
    """Writes the newest state of some switches of an account."""
    shown = ("state", "scope", "scope_id", "value", "threshold", "message", "input_at", "tripped_at")
    SwitchStatus.objects.bulk_create(
        [
            SwitchStatus(
                account=account,
                key=record.key,
                evaluated_at=now,
                **{name: getattr(record, name) for name in shown if name not in ("value", "threshold")},
                value=record.value[:120],
                threshold=record.threshold[:120],
            )
            for record in records
        ],
        update_conflicts=True,
        unique_fields=["account", "key"],
        update_fields=[*shown, "evaluated_at"],
    )


def thresholds_in_force() -> dict[str, Thresholds]:
    """Of every switch: the catalogue's, with what `SwitchSetting` changes. Raises `BadNumber` for what is unusable."""
    changed = dict(SwitchSetting.objects.values_list("key", "values"))
    return {key: switch.thresholds_from(changed.get(key, {})) for key, switch in SWITCHES.items()}


def switch_drills_run(*, by: str, now: datetime, keys: Iterable[str] | None = None) -> list[SwitchDrill]:
    """Drills switches with the thresholds in force and records each; all of them unless `keys` says which.

    A failed drill raises the event `SWITCH_DRILL_FAILED`. Raises `BadNumber` for thresholds that cannot be used.
    """
    thresholds = thresholds_in_force()
    wanted = list(SWITCHES if keys is None else keys)
    now_ms = int(now.timestamp() * 1000)
    done: list[SwitchDrill] = []
    with transaction.atomic():
        for key in wanted:
            result = drill(SWITCHES[key], now_ms, thresholds[key])
            row = SwitchDrill.objects.create(
                key=key,
                at=now,
                passed=result.passed,
                trip_detail=f"{result.trip.state}: {result.trip.reason}",
                control_detail=f"{result.control.state}: {result.control.reason}",
                by=by,
            )
            done.append(row)
        audit_record(
            actor=None,
            actor_label=by,
            action="risk.switch.drill",
            obj_type=SwitchDrill._meta.label,
            obj_id=done[-1].pk if done else "",
            after={row.key: row.passed for row in done},
            now=now,
        )
        failed = [row.key for row in done if not row.passed]
        if failed:
            system_event_record(
                code="SWITCH_DRILL_FAILED",
                severity=Severity.CRITICAL,
                source="risk",
                message=f"These switches did not do what they must: {', '.join(failed)}. Nothing may trade on them",
                details={row.key: [row.trip_detail, row.control_detail] for row in done if not row.passed},
                now=now,
            )
    return done


def drills_newest() -> dict[str, SwitchDrill]:
    """The newest drill of each switch that ever had one."""
    newest = SwitchDrill.objects.order_by().values("key").annotate(newest=Max("id")).values("newest")
    return {row.key: row for row in SwitchDrill.objects.filter(pk__in=newest) if row.key in SWITCHES}


def drills_due(*, now: datetime) -> list[str]:
    """Keys of switches whose newest drill is missing, failed or older than 30 days: arming is refused for them."""
    newest = drills_newest()
    return [key for key in SWITCHES if _is_due(newest.get(key), now)]


def _is_due(row: SwitchDrill | None, now: datetime) -> bool:
    return row is None or not row.passed or now - row.at > DRILL_MAX_AGE


def switch_rows(*, account: str, now: datetime) -> list[SwitchRow]:
    """The page's table, one line per switch of the catalogue; thresholds None where a setting cannot be used."""
    statuses = {row.key: row for row in SwitchStatus.objects.filter(account=account)}
    drills, changed = drills_newest(), dict(SwitchSetting.objects.values_list("key", "values"))
    return [
        SwitchRow(
            switch, _usable(switch, changed.get(key, {})), statuses.get(key), drills.get(key),
            _is_due(drills.get(key), now),
        )
        for key, switch in SWITCHES.items()
    ]  # fmt: skip


def _usable(switch: Switch[Any, Any], values: Mapping[str, object]) -> Thresholds | None:
    try:
        thresholds: Thresholds = switch.thresholds_from(values)
    except BadNumber:
        return None
    return thresholds


def threshold_texts(thresholds: Thresholds) -> list[tuple[str, int, str]]:
    """(name, value, unit) of every threshold, for a page or a command."""
    return [(f.name, getattr(thresholds, f.name), str(f.metadata["unit"])) for f in fields(thresholds)]


def nav_day_store(*, account: str, record: NavRecord, now: datetime) -> None:
    """Writes the day's newest net asset value."""
    NavDay.objects.update_or_create(
        account=account,
        day=record.day,
        defaults={
            "opening_nav": money_to_decimal(record.opening_nav),
            "opening_put_in": money_to_decimal(record.opening_put_in),
            "high_water": money_to_decimal(record.high_water),
            "stage": record.stage,
            "nav": money_to_decimal(record.nav),
            "put_in": money_to_decimal(record.put_in),
            "updated_at": now,
        },
    )


def nav_day_newest(*, account: str) -> NavRecord | None:
    """The newest day known of an account."""
    row = NavDay.objects.filter(account=account).order_by("-day").first()
    if row is None:
        return None
    return NavRecord(
        row.day,
        money_from_decimal(row.opening_nav),
        money_from_decimal(row.opening_put_in),
        money_from_decimal(row.high_water),
        row.stage,
        money_from_decimal(row.nav),
        money_from_decimal(row.put_in),
    )
