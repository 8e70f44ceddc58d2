"""The gates, one function each: value, what is needed, and whether it holds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import QuerySet

from apps.core.exceptions import Refused
from apps.core.processes import disagreements, reports_known, reports_read
from apps.engine.errors import BadNumber
from apps.governance.choices import IncidentStatus, Severity
from apps.governance.models import ApprovalRequest, Incident, SystemEvent
from apps.governance.selectors import break_glass_outstanding
from apps.marketdata.models import Series
from apps.risk.choices import KillOutcome, LimitRule, Scope
from apps.risk.exceptions import LimitMissing
from apps.risk.models import KillRun, RiskLimit
from apps.risk.selectors import RiskRows
from apps.risk.services.switches import DRILL_MAX_AGE, drills_due
from apps.trading.choices import Environment
from apps.trading.models import BacktestEvidence, ParameterSet, StrategyConfig, StrategyVersion
from apps.trading.parameter_catalog import CATALOG, must_be_set

from .ladder_evidence import NetResult, comparisons_of, days_run, net_result
from .parameter_sets import document_hash, document_of
from .parameters import NoParameters, parameters_in_force
from .versions import require_code_here

BACKTEST_DAYS = 90
MIN_MARKETS = 30


@dataclass(frozen=True, slots=True)
class Gate:
    """`key` stays the same for links and records. `requirement`: its line of the pre-flight checklist, if it has one.
    `detail`: what the value was computed from, one line each. One that does not block still shows.
    """

    key: str
    title: str
    value: str
    needed: str
    passed: bool
    blocks: bool = True
    requirement: str = ""
    detail: tuple[str, ...] = ()
    is_waived: bool = False


@dataclass(frozen=True, slots=True)
class Ground:
    """What the gates look at, read once."""

    config: StrategyConfig
    version: StrategyVersion
    parameters: ParameterSet | None
    risk: RiskRows
    now: datetime

    @property
    def track_record_days(self) -> int:
        return int(self._stored("TRACK_RECORD_DAYS"))

    @property
    def live_small_cap(self) -> Decimal:
        return self._stored("LIVE_SMALL_CAP")

    def _stored(self, name: str) -> Decimal:
        stored = {} if self.parameters is None else self.parameters.stored
        return Decimal(stored.get(name) or CATALOG[name].default or "0")


def ground_of(config: StrategyConfig, version: StrategyVersion, now: datetime) -> Ground:
    try:
        parameters: ParameterSet | None = parameters_in_force(config)
    except NoParameters:
        parameters = None
    return Ground(config, version, parameters, RiskRows.load(), now)


def approved_parameters(g: Ground) -> Gate:
    needed = "an approved set that hashes to what was approved"
    if g.parameters is None:
        return Gate("parameters", "Parameters approved", "none", needed, passed=False)
    try:
        found = document_hash(g.version.strategy.kernel, document_of(g.parameters))
    except Refused as error:
        return Gate("parameters", "Parameters approved", f"set #{g.parameters.number}: {error.message}", needed, False)
    value = f"set #{g.parameters.number}, {g.parameters.params_hash[:12]}"
    return Gate("parameters", "Parameters approved", value, needed, found == g.parameters.params_hash)


def processes(g: Ground) -> Gate:
    """By this process's own newest look, or by looking now where it does not report."""
    reports = reports_known() or reports_read(time.time_ns() // 1_000_000)
    mixed = disagreements(reports)
    value = f"{len(reports)} run {len(mixed)} different releases" if mixed else f"{len(reports)} agree"
    return Gate("processes", "Processes run one release", value, "no process differs", not mixed, detail=mixed)


def reviewed(g: Ground) -> Gate:
    version, problems = g.version, []
    try:
        require_code_here(version)
    except Refused as error:
        problems.append(error.message)
    outside = sorted(set(g.config.markets) - set(version.scope))
    if version.is_reviewed and outside:
        problems.append(f"not reviewed for {', '.join(outside)}")
    style = "" if g.parameters is None else g.parameters.values.get("execution_mode", "")
    if version.is_reviewed and style not in version.execution_styles:
        problems.append(f"not reviewed for the style {style or 'none'}")
    who = f"by {version.reviewed_by.get_username()}" if version.reviewed_by else "nobody has reviewed it"
    return Gate(
        "reviewed", "Code reviewed", f"{version.code_hash[:12]}, {who}",
        "the running code, reviewed for these markets and this style",
        version.is_reviewed and not problems, detail=tuple(problems),
    )  # fmt: skip


def must_set(g: Ground) -> Gate:
    stored = {} if g.parameters is None else g.parameters.stored
    missing = [known.name for known in must_be_set(g.version.strategy.kernel) if known.name not in stored]
    value = f"missing: {', '.join(missing)}" if missing else "nothing is missing"
    return Gate("must_set", "Parameters without a default are set", value, "all of them", not missing)


def limits(g: Ground) -> Gate:
    """R225: a limit for every rule that must have one, wherever the strategy may trade."""
    found = list(Series.objects.filter(ticker__in=g.config.markets).values_list("ticker", "category"))
    problems = []
    for ticker, category in found or [("", "")]:
        keys = {"series": ticker, "category": category} if ticker else {}
        try:
            themes = g.risk.themes_of(ticker)
            account = g.config.account
            g.risk.limits_for(account=account.name, environment=account.environment,
                              strategy_slug=g.version.strategy.slug, themes=themes, **keys)  # fmt: skip
        except (LimitMissing, BadNumber) as error:
            problems.append(f"{ticker or 'account'}: {error}")
    value = "some rules have none" if problems else f"set for {', '.join(t for t, _ in found) or 'the account'}"
    return Gate("limits", "Risk limits are set", value, "no rule without a limit", not problems,
                requirement="R225", detail=tuple(problems))  # fmt: skip


def drills(g: Ground) -> Gate:
    due = drills_due(now=g.now)
    value = f"due: {', '.join(due)}" if due else "every switch tripped and stayed calm as it must"
    needed = f"a good drill of each in {DRILL_MAX_AGE.days} days"
    return Gate("drills", "Kill switches tested", value, needed, not due, requirement="R224")


def kill_drill(g: Ground) -> Gate:
    """The way from the button to zero resting orders, walked for real."""
    since = g.now - DRILL_MAX_AGE
    run = KillRun.objects.filter(outcome=KillOutcome.PROVED_ZERO, pressed_at__gt=since).order_by("-id").first()
    value = "none" if run is None else f"run {run.pk} on {run.pressed_at:%Y-%m-%d}"
    return Gate("kill", "Stop proved", value, f"zero orders proved once in {DRILL_MAX_AGE.days} days", run is not None)


def emergencies(g: Ground) -> Gate:
    waiting: list[ApprovalRequest] = list(break_glass_outstanding())
    value = f"{len(waiting)} not signed yet" if waiting else "none waits"
    return Gate("emergencies", "Emergency changes signed afterwards", value, "none waits", not waiting,
                detail=tuple(f"request {request.pk}" for request in waiting))  # fmt: skip


def backtest(g: Ground) -> Gate:
    needed = f"one with the exchange's own fees over at least {BACKTEST_DAYS} days, of this code"
    found = _backtests(g).first()
    if found is None:
        return Gate("backtest", "Backtest", "no backtest evidence", needed, passed=False, requirement="R222")
    days = (found.data_until - found.data_from).days
    fees = "exact fees" if found.is_fee_accurate else "fees not exact"
    value = f"{days} days, {fees}, run {found.run_hash[:12]}"
    return Gate("backtest", "Backtest", value, needed, found.is_fee_accurate and days >= BACKTEST_DAYS,
                requirement="R222")  # fmt: skip


def days_at(g: Ground, environment: Environment, needed: int) -> Gate:
    """The clock of a stage runs for one code: a new version begins at nothing."""
    days = days_run(g.version, environment, now=g.now)
    counted = sum(day.counts for day in days)
    detail = tuple(f"{day.on}: {day.hours} h, {day.gap_hours} h without" for day in days if not day.counts)
    title = "Days live at small size" if environment is Environment.LIVE else f"Days on {environment.label.lower()}"
    return Gate(f"{environment.value}_days", title, f"{counted} of {len(days)} days count",
                f"{needed} days of at least 20 hours in the last 30", counted >= needed,
                requirement="R226" if environment is Environment.DEMO else "", detail=detail)  # fmt: skip


def books_agree(g: Ground, environment: Environment) -> Gate:
    total, unclean = comparisons_of(environment, now=g.now)
    value = f"{unclean} of {total} comparisons differ" if total else "nothing was compared"
    return Gate(f"{environment.value}_drift", f"Records agree on {environment.label.lower()}", value,
                "no difference in seven days", bool(total) and not unclean)  # fmt: skip


def net_above_zero(g: Ground) -> Gate:
    """R223: by what was traded on paper, else by the backtest."""
    paper = net_result(g.version, Environment.PAPER)
    detail = [f"{env.label}: {_net(net_result(g.version, env))}" for env in (Environment.DEMO, Environment.LIVE)]
    detail.insert(0, f"Paper: {_net(paper)}")
    run = _backtests(g).first()
    if paper.markets >= MIN_MARKETS:
        low, value = paper.low, f"{_net(paper)} on paper"
    else:
        low = None if run is None else run.net_bps_low
        value = "no backtest, and too little on paper" if low is None else f"backtest: at least {low} bps"
    return Gate("net_bps", "Net result above zero", value, f"lower bound above 0 bps, {MIN_MARKETS} markets or more",
                low is not None and low > 0, requirement="R223", detail=tuple(detail))  # fmt: skip


def incidents(g: Ground) -> Gate:
    found = Incident.objects.filter(severity=Severity.CRITICAL).exclude(status=IncidentStatus.CLOSED)
    titles = tuple(found.values_list("title", flat=True)[:5])
    value = f"{found.count()} open" if titles else "none open"
    return Gate("incidents", "Critical incidents closed", value, "none open", not titles, detail=titles)


def themes(g: Ground) -> Gate:
    lacking = [ticker for ticker in g.config.markets if not g.risk.themes_of(ticker)]
    value = f"none for {', '.join(lacking)}" if lacking else "every series has one"
    return Gate("themes", "Correlated groups known", value, "a theme for each series", not lacking, blocks=False,
                requirement="R227")  # fmt: skip


def alerts(g: Ground) -> Gate:
    """Honest until there is a way to acknowledge one: nobody has."""
    since = g.now - timedelta(days=30)
    told = SystemEvent.objects.filter(code="ALERT_TEST_ACKNOWLEDGED", created_at__gt=since).first()
    value = "no test alert was acknowledged" if told is None else f"acknowledged {told.created_at:%Y-%m-%d}"
    return Gate("alerts", "Alerts reach a person", value, "a test alert acknowledged in 30 days", told is not None,
                blocks=False, requirement="R228")  # fmt: skip


def capped(g: Ground) -> Gate:
    most, cap = _exposure(g), g.live_small_cap
    value = "no limit" if most is None else f"${most.normalize():f}"
    return Gate("cap", "Starts small", value, f"at most ${cap} at risk (LIVE_SMALL_CAP, $100 to $500)",
                most is not None and most <= cap, requirement="R229")  # fmt: skip


def ramp(g: Ground) -> Gate:
    """R230: a limit grows by signed requests alone; a step of more than double shows here."""
    most, cap = _exposure(g), g.live_small_cap
    value = "no limit" if most is None else f"${most.normalize():f} after ${cap}"
    return Gate("ramp", "Grows slowly", value, "at most double the size before", most is not None and most <= 2 * cap,
                blocks=False, requirement="R230")  # fmt: skip


def _exposure(g: Ground) -> Decimal | None:
    return (
        RiskLimit.objects.filter(scope=Scope.ACCOUNT, scope_id=g.config.account.name, rule=LimitRule.MAX_TOTAL_EXPOSURE)
        .values_list("value", flat=True)
        .first()
    )


def _backtests(g: Ground) -> QuerySet[BacktestEvidence]:
    return BacktestEvidence.objects.filter(version=g.version, finished_at__lte=g.now).order_by("-id")


def _net(result: NetResult) -> str:
    if result.bps is None:
        return "nothing traded"
    low = "not known" if result.low is None else f"{result.low} bps"
    return f"{result.bps} bps (lower bound {low}) over {result.markets} markets, {result.fills} fills"
