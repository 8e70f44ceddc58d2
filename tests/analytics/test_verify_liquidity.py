"""The eight checks: each one passes on what is right and finds what is wrong; the run is stored and shows no secret."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from apps.analytics.models import LiquidityCheckRun
from apps.analytics.services import kill_drill, verification
from apps.analytics.services.checks_exchange import (
    Seen,
    check_batches,
    check_books,
    check_limits,
    exchange_ask,
    sample_tickers,
    tokens_counted,
)
from apps.analytics.services.checks_stored import (
    check_environment,
    check_maker,
    check_second_source,
    check_spread,
)
from apps.analytics.verification import TITLES, Check, Outcome, Report, percentile
from apps.core.append_only import AppendOnlyModel
from apps.gateway.clock import SystemClock
from apps.gateway.kalshi.portfolio_models import AccountLimits, BucketLimit, EndpointCosts
from apps.gateway.shared_budget import SharedBudget, open_redis
from apps.gateway.throttle import Limit
from apps.governance.models import AuditEvent
from apps.risk.choices import KillOutcome
from apps.risk.guardian import heartbeat
from apps.risk.models import KillRun, TradingState
from apps.risk.services.switches import switch_drills_run
from apps.trading.models import Reconciliation
from tests import factories as make
from tests.factories import NOW
from tests.simulation.server import KEY_ID, make_key, served

LIMITS = AccountLimits("basic", BucketLimit(200, 200), BucketLimit(100, 100))
COSTS = EndpointCosts(10, ())


@pytest.fixture
def key_file(tmp_path: Path, settings: Any) -> Path:
    path, _ = make_key(tmp_path)
    path.chmod(0o600)
    settings.KALSHI_KEY_ID, settings.KALSHI_PRIVATE_KEY_FILE = "canary-key-id", str(path)
    return path


@pytest.fixture
def ready(db: None, key_file: Path) -> None:
    """An account with an armed strategy, approved parameters, comparisons and drills."""
    make.parameters(make.config())
    compared(*range(0, 60, 5))
    switch_drills_run(by="system:test", now=NOW)


def compared(*seconds_ago: float, is_clean: bool = True) -> None:
    for ago in seconds_ago:
        Reconciliation.objects.create(
            account=make.account(), at=NOW - timedelta(seconds=ago), trigger="periodic", own_cash=0, venue_cash=0,
            cash_drift=0, orders_open=0, orders_unknown=0, is_clean=is_clean,
        )  # fmt: skip


def guardian_beats() -> None:
    heartbeat.guardian_beat(int(NOW.timestamp() * 1000))


@pytest.fixture
def exchange(tmp_path: Path, settings: Any) -> Iterator[None]:
    """The simulator behind a real port, with the settings pointing at it."""
    started, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        async with served(tmp_path) as running:
            settings.KALSHI_API_URL = running.base_url
            settings.KALSHI_KEY_ID, settings.KALSHI_PRIVATE_KEY_FILE = KEY_ID, str(running.key_path)
            running.key_path.chmod(0o600)
            started.set()
            while not stop.is_set():  # noqa: ASYNC110  the fixture ends it from another thread
                await asyncio.sleep(0.05)

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(20)
    yield
    stop.set()
    thread.join(20)


def asked(tickers: list[str] | None = None) -> Seen:
    return asyncio.run(exchange_ask(tickers or [], clock=SystemClock()))


def batches(seen: Seen) -> Check:
    return asyncio.run(check_batches(seen, clock=SystemClock()))


# 1: the maker


@pytest.mark.django_db
def test_1_a_registered_maker_with_the_stored_code_passes(ready: None) -> None:
    check = check_maker(make.account())
    assert check.outcome is Outcome.OK
    assert "maker_inside" in check.detail


@pytest.mark.django_db
def test_1_other_code_an_unknown_kernel_or_nothing_armed_is_found(ready: None) -> None:
    config = make.config()
    version = config.version
    type(version).objects.filter(pk=version.pk).update(code_hash="0" * 64)
    assert check_maker(make.account()).outcome is Outcome.ERROR
    type(version.strategy).objects.update(kernel="never_heard_of")
    assert "not registered" in check_maker(make.account()).detail
    assert check_maker(None).outcome is Outcome.WARNING


def test_1_a_registry_without_a_maker_is_an_error(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    monkeypatch.setattr("apps.analytics.services.checks_stored.STRATEGIES", {})
    assert check_maker(None).outcome is Outcome.ERROR


# 2: environment and keys


@pytest.mark.django_db
def test_2_keys_that_are_there_pass_and_are_not_shown(ready: None, key_file: Path) -> None:
    check = check_environment(make.account())
    assert check.outcome is Outcome.OK
    text = json.dumps(check.as_json())
    assert "canary-key-id" not in text
    assert not any(line in text for line in key_file.read_text().splitlines() if len(line) > 20)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"KALSHI_KEY_ID": ""}, Outcome.ERROR),
        ({"KALSHI_PRIVATE_KEY_FILE": ""}, Outcome.ERROR),
        ({"KALSHI_PRIVATE_KEY_FILE": "/nowhere/key.pem"}, Outcome.ERROR),
        ({"KALSHI_ENVIRONMENT": "moon"}, Outcome.ERROR),
        ({"KALSHI_ENVIRONMENT": "demo"}, Outcome.ERROR),
        ({"KALSHI_KILL_KEY_ID": "kill-only-half"}, Outcome.ERROR),
    ],
    ids=str,
)
def test_2_what_is_missing_is_found(ready: None, settings: Any, change: dict[str, str], outcome: Outcome) -> None:
    for name, value in change.items():
        setattr(settings, name, value)
    check = check_environment(make.account())
    assert check.outcome is outcome
    assert "kill-only-half" not in check.detail


@pytest.mark.django_db
def test_2_a_key_that_others_can_read_is_a_warning_and_no_key_an_error(ready: None, key_file: Path) -> None:
    key_file.chmod(0o644)
    assert check_environment(make.account()).outcome is Outcome.WARNING
    key_file.write_text("no key at all")
    assert check_environment(make.account()).outcome is Outcome.ERROR


@pytest.mark.django_db
def test_2_live_asks_for_more(ready: None, settings: Any) -> None:
    settings.KALSHI_ENVIRONMENT = "live"
    account = make.account("real", environment="live")
    assert "no key of its own" in check_environment(account).detail
    settings.DEBUG = True
    assert check_environment(account).outcome is Outcome.ERROR


# 3, 4, 7: the exchange


@pytest.mark.django_db
def test_3_4_7_against_a_running_exchange(exchange: None) -> None:
    make.feed(state="live")
    seen = asked()
    assert seen.problem == ""
    books = check_books(seen, now=NOW)
    assert books.outcome is Outcome.OK
    assert "3 books read" in books.detail
    assert check_limits(seen).facts["read"].endswith("at once")
    assert batches(seen).outcome is Outcome.OK


def test_3_4_7_without_an_exchange_are_errors_that_say_so(key_file: Path, settings: Any, db: None) -> None:
    settings.KALSHI_API_URL = "http://127.0.0.1:9/trade-api/v2"
    seen = asked()
    for check in (check_books(seen, now=NOW), check_limits(seen), batches(seen)):
        assert check.outcome is Outcome.ERROR
    assert "ConnectFailed" in check_books(seen, now=NOW).detail


def test_3_without_a_key_nothing_is_asked(settings: Any, db: None) -> None:
    settings.KALSHI_KEY_ID = ""
    assert "KALSHI_KEY_ID is not set" in check_books(asked(), now=NOW).detail


@pytest.mark.django_db
def test_3_no_market_a_stale_feed_and_a_pause_are_no_passes() -> None:
    assert check_books(Seen(books=[], is_open=True), now=NOW).outcome is not Outcome.OK
    make.feed(state="live", last_frame_at=NOW - timedelta(minutes=5))
    assert "newest frame 300 s old" in check_books(Seen(books=[], is_open=False), now=NOW).detail


@pytest.mark.django_db
def test_3_looks_at_the_markets_whose_books_are_stored() -> None:
    make.book_snapshot(make.market("KXA-1"))
    make.book_snapshot(make.market("KXOVER-1", close_at=NOW - timedelta(hours=1)))
    make.book_snapshot(make.market("KXOLD-1"), received_at=NOW - timedelta(hours=1))
    assert sample_tickers(now=NOW) == ["KXA-1"]


@pytest.mark.parametrize(
    ("limit", "outcome"),
    [(Limit(200, 200), Outcome.OK), (Limit(100, 100), Outcome.WARNING), (Limit(400, 200), Outcome.ERROR)],
    ids=["equal", "less", "more"],
)
def test_4_what_all_processes_count_by_is_compared_with_what_is_granted(
    redis_url: str, limit: Limit, outcome: Outcome, settings: Any
) -> None:
    async def count() -> None:
        budget = SharedBudget(open_redis(redis_url), settings.KALSHI_ENVIRONMENT, limit, Limit(100, 100), SystemClock())
        await budget.set_limits(limit, Limit(100, 100))
        await budget.aclose()

    asyncio.run(count())
    assert tokens_counted("read") == ((limit.capacity, limit.refill_per_s), "")
    assert check_limits(Seen(limits=LIMITS)).outcome is outcome


def test_4_without_the_token_account_it_was_not_checked(redis_url: str, settings: Any) -> None:
    assert check_limits(Seen(limits=LIMITS)).outcome is Outcome.NOT_CHECKED
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert "does not answer" in check_limits(Seen(limits=LIMITS)).detail


def test_7_a_bucket_too_small_for_two_orders_is_an_error() -> None:
    small = AccountLimits("basic", BucketLimit(200, 200), BucketLimit(15, 15))
    assert batches(Seen(limits=small, costs=COSTS)).outcome is Outcome.ERROR
    assert batches(Seen(limits=LIMITS, costs=COSTS)).outcome is Outcome.OK


# 5: the spread


@pytest.mark.django_db
def test_5_the_approved_spread_is_compared_and_the_code_keeps_to_it(ready: None) -> None:
    assert check_spread(make.account()).outcome is Outcome.OK
    row = make.parameters()
    values = row.values | {"min_spread": "0.0100"}
    type(row).objects.filter(pk=row.pk).update(values=values)
    check = check_spread(make.account())
    assert check.outcome is Outcome.WARNING
    assert "under the floor" in check.detail


@pytest.mark.django_db
def test_5_an_override_below_the_floor_and_no_parameters_at_all_are_found(ready: None) -> None:
    row = make.parameters()
    type(row).objects.filter(pk=row.pk).update(overrides={"Weather": {"min_spread": "0.0100"}})
    assert "in Weather" in check_spread(make.account()).detail
    type(row).objects.filter(pk=row.pk).update(status="retired")
    assert check_spread(make.account()).outcome is Outcome.ERROR
    assert check_spread(None).outcome is Outcome.NOT_CHECKED


@pytest.mark.django_db
def test_5_code_that_quotes_a_narrower_market_is_found(ready: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.analytics.services import checks_stored

    real = checks_stored._look
    monkeypatch.setattr(checks_stored, "_look", lambda kernel, params, spread: real(kernel, params, 1_000))
    assert check_spread(make.account()).outcome is Outcome.ERROR


# 6: the second source


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("ago", "outcome"),
    [
        (tuple(range(0, 100, 5)), Outcome.OK),
        ((0, 5, 10, 15, 40), Outcome.WARNING),
        (tuple(range(60, 160, 5)), Outcome.ERROR),
        ((0, 5), Outcome.NOT_CHECKED),
        ((), Outcome.NOT_CHECKED),
    ],
    ids=["on time", "late", "ended", "hardly", "never"],
)
def test_6_the_cadence_is_measured_from_stored_comparisons(ago: tuple[int, ...], outcome: Outcome) -> None:
    compared(*sorted(ago, reverse=True))
    check = check_second_source(make.account(), now=NOW)
    assert check.outcome is outcome
    if outcome is Outcome.OK:
        assert (check.facts["gap_p50_s"], check.facts["comparisons"]) == (5.0, 20)


@pytest.mark.django_db
def test_6_a_difference_is_a_warning() -> None:
    compared(15, 10, 5)
    compared(0, is_clean=False)
    assert "1 of them found a difference" in check_second_source(make.account(), now=NOW).detail


# 8: the drill


def emergency(**fields: Any) -> Check:
    return kill_drill.check_emergency(now=NOW, by="command:test", **({"wait_s": 0.2, "groups": 3} | fields))


def proved(monkeypatch: pytest.MonkeyPatch, after_s: float = 0.4, outcome: str = KillOutcome.PROVED_ZERO) -> None:
    """A guardian that ends every ladder at once."""

    def wait(pk: int, **_: Any) -> KillRun:
        KillRun.objects.filter(pk=pk).update(
            outcome=outcome, proved_zero_at=NOW + timedelta(seconds=after_s), resting_before=0
        )
        return KillRun.objects.get(pk=pk)

    monkeypatch.setattr(kill_drill, "drill_wait", wait)


@pytest.mark.django_db
def test_8_a_drill_that_proves_zero_passes_and_halts_nothing(ready: None, monkeypatch: pytest.MonkeyPatch) -> None:
    guardian_beats()
    proved(monkeypatch)
    check = emergency()
    assert check.outcome is Outcome.OK
    assert check.facts["proved_zero_s"] == 0.4
    run = KillRun.objects.get()
    assert (run.scope, run.scope_id, run.source, run.request_id is not None) == (
        "market",
        "KALSHIOPS-DRILL",
        "drill",
        True,
    )
    assert not TradingState.objects.exists()
    assert AuditEvent.objects.get(action="risk.kill_switch.drill").object_id == str(run.pk)


@pytest.mark.django_db
def test_8_a_slow_drill_warns_and_one_that_proves_nothing_fails(ready: None, monkeypatch: pytest.MonkeyPatch) -> None:
    guardian_beats()
    assert "did not prove zero" in emergency().detail
    proved(monkeypatch, after_s=9)
    assert emergency().outcome is Outcome.WARNING
    proved(monkeypatch, outcome=KillOutcome.BLOCKED_ONLY)
    assert emergency().outcome is Outcome.ERROR


@pytest.mark.django_db
def test_8_with_a_live_account_no_drill_is_ever_begun(ready: None, settings: Any) -> None:
    guardian_beats()
    settings.KALSHI_ENVIRONMENT = "live"
    check = emergency()
    assert check.outcome is Outcome.NOT_CHECKED
    assert not KillRun.objects.exists()
    with pytest.raises(ValueError, match="live"):
        kill_drill.drill_begin(by="test", now=NOW)
    assert not KillRun.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("environment", ["", "moon", "LIVE", "prod"])
def test_8_an_environment_nobody_knows_is_not_drilled_either(ready: None, settings: Any, environment: str) -> None:
    guardian_beats()
    settings.KALSHI_ENVIRONMENT = environment
    emergency()
    assert not KillRun.objects.exists()


@pytest.mark.django_db
def test_8_without_a_guardian_or_with_switches_undrilled_it_is_an_error(db: None) -> None:
    check = emergency(groups=None)
    assert check.outcome is Outcome.ERROR
    for text in ("no guardian", "no good drill in 30 days", "order groups could not be read", "no kill drill without"):
        assert text in check.detail


@pytest.mark.django_db
def test_8_the_wait_ends_by_itself() -> None:
    run = kill_drill.drill_begin(by="test", now=NOW)
    slept: list[float] = []
    assert kill_drill.drill_wait(run.pk, wait_s=0.5, sleep=slept.append).outcome == KillOutcome.RUNNING
    assert len(slept) == 5


# The run as a whole


def test_what_was_not_checked_is_no_pass() -> None:
    assert Report((Check(1),)).exit_code == 0
    assert Report((Check(1), Check(2, Outcome.NOT_CHECKED))).exit_code == 1
    assert Report((Check(1, Outcome.WARNING), Check(2, Outcome.ERROR))).exit_code == 2
    check = Check(1)
    check.error("bad")
    check.warn("less bad")
    assert (check.outcome, check.detail) == (Outcome.ERROR, "bad; less bad")


def test_percentiles() -> None:
    assert [percentile([4, 1, 3, 2], share) for share in (0, 0.5, 0.95, 1)] == [1, 3, 4, 4]
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


@pytest.fixture
def stub_exchange(monkeypatch: pytest.MonkeyPatch) -> Seen:
    seen = Seen(is_open=True, books=[], limits=LIMITS, costs=COSTS, groups=0)

    async def ask(tickers: list[str], *, clock: Any) -> Seen:
        return seen

    monkeypatch.setattr(verification, "exchange_ask", ask)
    return seen


def run(*arguments: str) -> tuple[str, int]:
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("verify_liquidity", "--by", "test", "--drill-wait", "0.1", *arguments, stdout=out)
    return out.getvalue(), int(ended.value.code or 0)


@pytest.mark.django_db
def test_a_run_is_stored_and_told_in_lines_and_in_json(ready: None, stub_exchange: Seen) -> None:
    text, code = run()
    assert code == 2
    for number, title in TITLES.items():
        assert f"{number}. {title}: " in text
    told, _ = run("--json")
    body = json.loads(told)
    stored = LiquidityCheckRun.objects.get(pk=body["run"])
    assert (body["exit_code"], body["verdict"]) == (2, "not acceptable")
    assert body["checks"] == stored.results
    assert [row["number"] for row in stored.results] == list(TITLES)
    assert (stored.errors, stored.warnings) == (body["errors"], body["warnings"])
    assert AuditEvent.objects.filter(action="analytics.liquidity.verify").count() == 2
    assert isinstance(stored, AppendOnlyModel)
    assert stored.seconds >= Decimal(0)


@pytest.mark.django_db
def test_no_secret_is_printed_or_stored(ready: None, stub_exchange: Seen, settings: Any) -> None:
    settings.REDIS_URL = "redis://:canary-redis-password@127.0.0.1:1/0"
    settings.KALSHI_PRIVATE_KEY_FILE = "/nowhere/key.pem"
    stub_exchange.limits, stub_exchange.problem = None, "refused canary-key-id at redis://:canary-redis-password@x"
    text, _ = run()
    stored = json.dumps(LiquidityCheckRun.objects.get().results)
    for secret in ("canary-key-id", "canary-redis-password", settings.SECRET_KEY):
        assert secret not in text
        assert secret not in stored


@pytest.mark.django_db
def test_runs_are_facts_in_the_admin(client: Client, ready: None, stub_exchange: Seen) -> None:
    run()
    stored = LiquidityCheckRun.objects.get()
    client.force_login(make.user("viewer", perms=("analytics.view_liquiditycheckrun", "governance.see_everything")))
    assert "not acceptable" in client.get(reverse("admin:analytics_liquiditycheckrun_changelist")).content.decode()
    page = client.get(reverse("admin:analytics_liquiditycheckrun_change", args=[stored.pk]))
    assert TITLES[1] in page.content.decode()
    assert client.post(reverse("admin:analytics_liquiditycheckrun_delete", args=[stored.pk])).status_code == 403
