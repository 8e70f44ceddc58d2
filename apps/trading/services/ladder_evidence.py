"""What the gates of the promotion ladder are computed from: facts of sessions, fills, comparisons and switches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, DecimalField, F, Q, QuerySet, Sum

from apps.trading.models import Fill, Reconciliation, Settlement, StrategyRun, StrategyVersion

WINDOW = timedelta(days=30)
DAY_HOURS = Decimal(20)
LOWER_Z = Decimal("1.645")


@dataclass(frozen=True, slots=True)
class Day:
    """One day (UTC) of an environment: how long sessions ran the version. It counts from 20 hours on."""

    on: date
    hours: Decimal

    @property
    def counts(self) -> bool:
        return self.hours >= DAY_HOURS

    @property
    def gap_hours(self) -> Decimal:
        return 24 - self.hours


@dataclass(frozen=True, slots=True)
class NetResult:
    """Result after fees of the markets that are over, in basis points of the dollars put at risk.

    `low` is the lower bound at 95 % over markets; both None without a market that is over.
    """

    markets: int
    fills: int
    bps: Decimal | None
    low: Decimal | None


def days_run(version: StrategyVersion, environment: str, *, now: datetime) -> list[Day]:
    """Every day of the last 30 from the first on which a session ran the version, with its hours, gaps included."""
    spans = [(max(start, now - WINDOW), min(end, now)) for start, end in _spans(version, environment)]
    spans = [(start, end) for start, end in _united(spans) if start < end]
    if not spans:
        return []
    seconds: dict[date, Decimal] = defaultdict(Decimal)
    for start, end in spans:
        at = start.astimezone(UTC)
        while at < end:
            until = min(end, datetime.combine(at.date() + timedelta(days=1), time(), UTC))
            seconds[at.date()] += Decimal(str((until - at).total_seconds()))
            at = until
    first, last = spans[0][0].astimezone(UTC).date(), now.astimezone(UTC).date()
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [Day(day, (seconds[day] / 3600).quantize(Decimal("0.1"))) for day in days]


def _spans(version: StrategyVersion, environment: str) -> list[tuple[datetime, datetime]]:
    """Of each run of the version; one still open lasts as long as its session was last seen."""
    runs = StrategyRun.objects.filter(version=version, session__account__environment=environment)
    return [
        (run.started_at, run.ended_at or run.session.ended_at or run.session.heartbeat_at)
        for run in runs.select_related("session")
    ]


def _united(spans: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """The same time without overlaps, in order."""
    united: list[tuple[datetime, datetime]] = []
    for start, end in sorted(spans):
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(united[-1][1], end))
        else:
            united.append((start, end))
    return united


def fills_of(version: StrategyVersion, environment: str) -> QuerySet[Fill]:
    """Fills of the strategy's own orders in sessions that ran this version; one session runs one code."""
    sessions = StrategyRun.objects.filter(version=version, session__account__environment=environment).values("session")
    return Fill.objects.filter(
        order__session__in=sessions, order__config__version__strategy=version.strategy, account__environment=environment
    )


def net_result(version: StrategyVersion, environment: str) -> NetResult:
    """Over markets that were settled or closed; what is still open says nothing yet."""
    bid, ask, dollars = Q(side="bid"), Q(side="ask"), F("price") * F("quantity")
    rows = list(
        fills_of(version, environment)
        .order_by()
        .values("account", "market")
        .annotate(
            bought=_sum(F("quantity"), bid),
            paid=_sum(dollars, bid),
            sold=_sum(F("quantity"), ask),
            got=_sum(dollars, ask),
            charged=Sum("fee"),
            fills=Count("id"),
        )
    )
    settled = {
        (account, market): (value, fee)
        for account, market, value, fee in Settlement.objects.filter(
            account__environment=environment, market__in={row["market"] for row in rows}
        ).values_list("account", "market", "value", "fee")
    }
    results = [result for row in rows if (result := _result(row, settled)) is not None]
    bps, low = _interval(results)
    return NetResult(len(results), sum(row["fills"] for row in rows), bps, low)


def _result(row: Any, settled: dict[tuple[int, int], tuple[Decimal, Decimal]]) -> tuple[Decimal, Decimal] | None:
    """(result after fees, dollars put at risk) of one market that is over; selling risks a dollar less the price."""
    end = settled.get((row["account"], row["market"]))
    held = row["bought"] - row["sold"]
    if end is None and held:
        return None
    value, fee = end or (Decimal(0), Decimal(0))
    net = row["got"] - row["paid"] + held * value - row["charged"] - fee
    return net, row["paid"] + row["sold"] - row["got"]


def _interval(results: list[tuple[Decimal, Decimal]]) -> tuple[Decimal | None, Decimal | None]:
    """The ratio of sums in basis points and its lower bound: ratio estimator, each market one observation."""
    risked = sum((r for _, r in results), Decimal(0))
    if not risked:
        return None, None
    ratio = sum((net for net, _ in results), Decimal(0)) / risked
    bps = (ratio * 10_000).quantize(Decimal("0.1"))
    n = len(results)
    if n < 2:
        return bps, None
    spread = sum(((net - ratio * r) ** 2 for net, r in results), Decimal(0)) * n / (n - 1)
    low = (ratio - LOWER_Z * spread.sqrt() / risked) * 10_000
    return bps, low.quantize(Decimal("0.1"))


def comparisons_of(environment: str, *, now: datetime) -> tuple[int, int]:
    """(comparisons, of these with a difference) of the environment's accounts in the last seven days."""
    found = Reconciliation.objects.filter(account__environment=environment, at__gt=now - timedelta(days=7), at__lte=now)
    return found.count(), found.filter(is_clean=False).count()


def _sum(expression: Any, which: Q) -> Sum:
    field: DecimalField[Any, Any] = DecimalField(max_digits=30, decimal_places=6)
    return Sum(expression, filter=which, default=Decimal(0), output_field=field)
