"""What people do in these tests, in one line each."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from django.contrib.auth.models import User

from apps.governance.models import ApprovalRequest
from apps.governance.services import approval_vote
from apps.risk.choices import LimitRule, Scope
from apps.risk.models import RiskLimit
from apps.risk.services.switches import switch_drills_run
from apps.trading.models import BacktestEvidence, StrategyConfig, StrategyVersion
from apps.trading.services.runs import runs_note
from apps.trading.services.versions import version_review_propose
from tests import factories
from tests.factories import NOW

WHY = "a reason that is long enough"
WEATHER = "Climate and Weather"


def sign(request: ApprovalRequest, actor: User, now: datetime = NOW) -> ApprovalRequest:
    return approval_vote(
        request_id=request.pk,
        revision=request.revision,
        vote="approve",
        reason=WHY,
        actor=actor,
        factor=factories.fresh_factor(actor, now),
        now=now,
    )


def review(version: StrategyVersion, team: dict[str, User], *scope: str, styles: tuple[str, ...] = ("maker",)) -> None:
    """Scalper asks, craig reviews."""
    request = version_review_propose(
        version=version, scope=scope or ("KXTEST",), execution_styles=styles, reason=WHY, actor=team["scalper"], now=NOW
    )
    sign(request, team["craig"])
    version.refresh_from_db()


def move_to(config: StrategyConfig, environment: str) -> StrategyConfig:
    """Off, and its account in another environment."""
    config.account.environment, config.is_enabled = environment, False
    config.account.save()
    config.save()
    return config


def trade_days(config: StrategyConfig, days: int, *, hours: int = 24, until: datetime = NOW) -> None:
    """A session on each of the last full days in the account's environment, so many hours of the day."""
    first = until.replace(hour=0, minute=0) - timedelta(days=days)
    for number in range(days):
        start = first + timedelta(days=number)
        end = start + timedelta(hours=hours)
        run = factories.session(
            config.account, state="stopped", started_at=start, heartbeat_at=end, ended_at=end, lease_expires_at=end
        )
        parameters = factories.parameters(config)
        runs_note(session_id=run.pk, running={config.pk: (config.version_id, parameters.pk)}, now=start)


def limits_set(account: str = "main", **changes: int) -> None:
    values: dict[LimitRule, Decimal | int] = {
        LimitRule.MAX_ORDER_DOLLARS: 50,
        LimitRule.MAX_CONTRACTS_PER_MARKET: 5,
        LimitRule.MIN_PRICE: Decimal("0.02"),
        LimitRule.MAX_PRICE: Decimal("0.98"),
        LimitRule.MAX_TOTAL_EXPOSURE: 100,
    }
    for rule, value in values.items():
        RiskLimit.objects.update_or_create(
            scope=Scope.ACCOUNT,
            scope_id=account,
            rule=rule,
            defaults={"value": changes.get(rule.value, value), "updated_at": NOW},
        )


def backtest(config: StrategyConfig, **changes: object) -> BacktestEvidence:
    values: dict[str, object] = {
        "version": config.version,
        "params_hash": "a" * 64,
        "run_hash": "b" * 64,
        "data_from": NOW - timedelta(days=120),
        "data_until": NOW - timedelta(days=1),
        "is_fee_accurate": True,
        "fills": 4000,
        "net_bps": Decimal("12.5"),
        "net_bps_low": Decimal("3.1"),
        "finished_at": NOW,
    }
    return BacktestEvidence.objects.create(**(values | changes))


def ready_for_paper(config: StrategyConfig, team: dict[str, User]) -> None:
    """Everything that paper asks for: a review, limits, drills and a backtest."""
    factories.series()
    review(config.version, team)
    config.refresh_from_db()
    limits_set()
    switch_drills_run(by="test", now=NOW)
    backtest(config)
