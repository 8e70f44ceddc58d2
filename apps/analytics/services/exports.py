"""Exports that leave the platform. Each one is recorded with the hash of its bytes, in the same transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db import transaction

from apps.analytics.metrics import METRICS, SCHEMA_VERSION, LiquidityTotals
from apps.analytics.models import MetricExport
from apps.analytics.selectors import VOLUME_WINDOW, liquidity_totals
from apps.core.csv import Cell, csv_bytes
from apps.core.exceptions import Refused
from apps.governance.services import audit_record
from apps.trading.models import Account

COLUMNS = (
    "schema_version",
    "account",
    "environment",
    "scope",
    "market",
    "metric",
    "value",
    "unit",
    "reason",
    "definition",
    "window_start",
    "window_end",
    "generated_at",
)


def _rows(
    account: Account, start: datetime, end: datetime, now: datetime, totals: LiquidityTotals, market: str | None
) -> Iterator[list[Cell]]:
    for metric in METRICS:
        result = metric.compute(totals)
        yield [
            SCHEMA_VERSION,
            account.name,
            account.environment,
            "account" if market is None else "market",
            market,
            metric.name,
            result.value,
            metric.unit,
            result.reason,
            metric.definition,
            end - VOLUME_WINDOW if metric.window == "30d" else start,
            end,
            now,
        ]


def _checked_window(start: datetime, end: datetime, now: datetime) -> None:
    if not start < end:
        raise Refused("the window must end after it starts", code="bad_window")
    if end > now:
        raise Refused("the window must not end in the future", code="bad_window")


@transaction.atomic
def liquidity_export(
    *, account: Account, window_start: datetime, window_end: datetime, actor: Any, now: datetime
) -> tuple[str, bytes]:
    """File name and bytes of the liquidity CSV over [window_start, window_end), first the account, then each market.

    Records a `MetricExport` with the SHA-256 of the bytes and an audit event. `actor` None is the command line.
    Raises `Refused` (`bad_window`) for a window that is empty or ends after `now`.
    """
    _checked_window(window_start, window_end, now)
    whole, by_market = liquidity_totals(account=account, window_start=window_start, window_end=window_end)
    rows = list(_rows(account, window_start, window_end, now, whole, None))
    for ticker, totals in by_market.items():
        rows += _rows(account, window_start, window_end, now, totals, ticker)
    content = csv_bytes(COLUMNS, rows)
    export = MetricExport.objects.create(
        name=f"liquidity-{account.name}"[:60],
        window_start=window_start,
        window_end=window_end,
        rows=len(rows),
        sha256=hashlib.sha256(content).hexdigest(),
        created_by=actor,
        created_at=now,
    )
    audit_record(
        actor=actor,
        actor_label=None if actor else "system:export-metrics",
        action="analytics.liquidity.export",
        obj_type="analytics.MetricExport",
        obj_id=str(export.pk),
        after={
            "schema": SCHEMA_VERSION,
            "account": account.name,
            "window_start": window_start.isoformat(),
            "window_end": window_end.isoformat(),
            "rows": export.rows,
            "sha256": export.sha256,
        },
        now=now,
    )
    return f"liquidity-{account.name}-{window_end:%Y%m%dT%H%M%SZ}.csv", content
