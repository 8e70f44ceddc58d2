"""Checks of `verify_liquidity` that need no exchange: code, configuration, approved parameters, stored evidence."""

from __future__ import annotations

import os
import stat
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.analytics.verification import Check, percentile
from apps.engine.decimals import price_from_decimal
from apps.engine.errors import EngineError
from apps.engine.grid import PriceRange, price_grid
from apps.engine.strategies.base import Decision, MarketView
from apps.engine.strategies.params import Params, params_from_mapping
from apps.engine.strategies.registry import STRATEGIES, Strategy, strategy
from apps.engine.types import ONE_DOLLAR
from apps.gateway.errors import GatewayError
from apps.gateway.kalshi.signing import load_private_key
from apps.trading.choices import Environment
from apps.trading.models import Account, Reconciliation, StrategyConfig
from apps.trading.services.parameters import NoParameters, parameters_in_force

FLOOR = Decimal("0.02")
"""The seed's minimum spread."""
CADENCE_S, CADENCE_LATE_S, CADENCE_BROKEN_S = 5.0, 7.5, 30.0
EVIDENCE = timedelta(minutes=15)
_TICK, WIDE = 100, ONE_DOLLAR // 10
_BID, _QUANTITY = 5_000, 10_000
_OTHERS_ONLY = 0o077


def check_maker(account: Account | None) -> Check:
    """1: a registered kernel makes quotes, and every armed strategy runs registered code with the stored hash."""
    check = Check(1, facts={"registered": ", ".join(sorted(STRATEGIES))})
    makers = [one.slug for one in STRATEGIES.values() if _look(one, one.params_type(), WIDE).resting.is_quoting]
    if makers:
        check.ok(f"quotes a wide market: {', '.join(makers)}")
    else:
        check.error("no registered strategy quotes a wide market")
    configs = _configs(account)
    if not any(config.is_enabled for config in configs):
        check.warn("no strategy is armed")
    for config in configs:
        known = STRATEGIES.get(config.version.strategy.kernel)
        if known is None:
            check.error(f"{config}: its kernel is not registered")
        elif known.code_hash != config.version.code_hash:
            check.error(f"{config}: the code here is not the code that was stored with it")
        else:
            check.ok(f"{config}: code {known.code_hash[:8]} as stored")
    return check


def check_environment(account: Account | None) -> Check:
    """2: the environment is one of ours and the account's, and each key is there, private and readable. Shows none."""
    check = Check(2, facts={"environment": settings.KALSHI_ENVIRONMENT, "release": settings.RELEASE})
    if settings.KALSHI_ENVIRONMENT not in Environment.values:
        check.error(f"KALSHI_ENVIRONMENT is {settings.KALSHI_ENVIRONMENT}, not one of {', '.join(Environment.values)}")
    if account is None:
        check.error("there is no active account")
    elif account.environment != settings.KALSHI_ENVIRONMENT:
        check.error(f"account {account.name} is {account.environment}")
    if settings.DEBUG and settings.KALSHI_ENVIRONMENT == Environment.LIVE:
        check.error("DEBUG is on with a live account")
    _key(check, "trading key", settings.KALSHI_KEY_ID, settings.KALSHI_PRIVATE_KEY_FILE)
    if settings.KALSHI_KILL_KEY_ID or settings.KALSHI_KILL_PRIVATE_KEY_FILE:
        _key(check, "kill key", settings.KALSHI_KILL_KEY_ID, settings.KALSHI_KILL_PRIVATE_KEY_FILE)
    elif settings.KALSHI_ENVIRONMENT == Environment.LIVE:
        check.warn("the guardian has no key of its own")
    return check


def check_spread(account: Account | None) -> Check:
    """5: each armed strategy's approved minimum spread against the floor, and that its code keeps to it."""
    check = Check(5, facts={"floor": str(FLOOR)})
    for config in _configs(account):
        try:
            in_force, kernel = parameters_in_force(config), strategy(config.version.strategy.kernel)
            least = [("", in_force.values), *_overrides(in_force)]
            for where, values in least:
                _spread(check, f"{config}{where} #{in_force.number}", kernel, values)
        except (NoParameters, EngineError) as error:
            check.error(f"{config}: {error}")
    if not check.lines:
        check.not_checked("no strategy is set up")
    return check


def check_second_source(account: Account | None, *, now: datetime) -> Check:
    """6: how often own records were really compared with the exchange's, from the stored comparisons."""
    check = Check(6)
    rows = Reconciliation.objects.filter(account=account, at__gt=now - EVIDENCE).order_by("at")
    times = list(rows.values_list("at", "is_clean"))
    if len(times) < 3:
        check.not_checked(f"{len(times)} comparisons stored in the last {EVIDENCE.seconds // 60} minutes: nothing runs")
        return check
    gaps = [(later[0] - sooner[0]).total_seconds() for sooner, later in pairwise(times)]
    age = (now - times[-1][0]).total_seconds()
    unclean = sum(not is_clean for _, is_clean in times)
    check.facts |= {
        "comparisons": len(times),
        "gap_p50_s": round(percentile(gaps, 0.5), 2),
        "gap_p95_s": round(percentile(gaps, 0.95), 2),
        "gap_max_s": round(max(gaps), 2),
        "newest_age_s": round(age, 1),
        "not_clean": unclean,
    }
    check.ok(f"every {check.facts['gap_p50_s']} s, 95 % within {check.facts['gap_p95_s']} s; asked: {CADENCE_S:g} s")
    if age > CADENCE_BROKEN_S:
        check.error(f"the newest comparison is {age:.0f} s old")
    elif percentile(gaps, 0.95) > CADENCE_LATE_S:
        check.warn(f"5 % of the gaps are longer than {CADENCE_LATE_S:g} s")
    if unclean:
        check.warn(f"{unclean} of them found a difference")
    return check


def _configs(account: Account | None) -> list[StrategyConfig]:
    rows = StrategyConfig.objects.filter(account=account).select_related("version__strategy", "account")
    return [config for config in rows if config.is_enabled] or list(rows)


def _overrides(in_force: Any) -> list[tuple[str, dict[str, str]]]:
    return [(f" in {category}", in_force.values | own) for category, own in in_force.overrides.items()]


def _spread(check: Check, name: str, kernel: Strategy, values: dict[str, str]) -> None:
    params = params_from_mapping(kernel.params_type(), values)
    least = Decimal(values["min_spread"])
    check.facts[f"min_spread {name}"] = str(least)
    if least < FLOOR:
        check.warn(f"{name}: approved at {least}, under the floor of {FLOOR}")
    spread = price_from_decimal(least)
    if spread > 1 and _look(kernel, params, spread - 1).resting.is_quoting:
        check.error(f"{name}: rests in a market narrower than its own minimum of {least}")
    else:
        check.ok(f"{name}: approved at {least}, a narrower market is left alone")


def _look(kernel: Strategy, params: Params, spread: int) -> Decision:
    """The kernel's own decision on a quiet, open market whose best prices are `spread` apart."""
    step = _TICK if spread % _TICK == 0 else 1
    grid = price_grid([PriceRange(0, ONE_DOLLAR, step)])
    bid, ask = (_BID, _QUANTITY), (_BID + spread, _QUANTITY)
    view = MarketView("CHECK", grid, bid, ask, None, None, position=0, now_ms=0)
    return kernel.decide(view, params)


def _key(check: Check, name: str, key_id: str, key_file: str) -> None:
    """Says whether it is set, whose it is and whether it can be read; never a part of it."""
    if not key_id or not key_file:
        check.error(f"{name}: {'id' if not key_id else 'file'} not set")
        return
    path = Path(key_file)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        kind = type(load_private_key(path.read_bytes())).__name__.removesuffix("PrivateKey").strip("_")
    except OSError as error:
        check.error(f"{name}: its file cannot be read: {error.strerror}")
    except GatewayError as error:
        check.error(f"{name}: {error}")
    else:
        check.facts[name] = f"{kind}, mode {mode:04o}"
        if mode & _OTHERS_ONLY:
            check.warn(f"{name}: its file can be read by others (mode {mode:04o}; 0600 is meant)")
        elif path.stat().st_uid != os.getuid():
            check.warn(f"{name}: its file belongs to another user")
        else:
            check.ok(f"{name}: set, readable by its owner only")
