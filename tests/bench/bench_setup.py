"""Rows a session needs before it can trade on the simulator in a benchmark."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal

from asgiref.sync import sync_to_async
from django.utils import timezone

from apps.engine.strategies.params import params_hash, params_to_mapping
from apps.engine.strategies.registry import strategy
from apps.gateway.kalshi.rest import KalshiRest
from apps.marketdata.feeds.catalogue import CatalogueScope, catalogue_fetch
from apps.marketdata.models import Market
from apps.marketdata.services import catalogue_sync
from apps.risk.guardian import heartbeat
from apps.risk.models import RiskLimit
from apps.risk.services.switches import switch_drills_run
from apps.trading.models import Account, ParameterSet, Strategy, StrategyConfig, StrategyVersion

LIMITS = {
    "max_order_dollars": 500,
    "max_contracts_per_market": 1_000,
    "min_price": Decimal("0.02"),
    "max_price": Decimal("0.98"),
    "max_total_exposure": 9_000_000,
}


async def guardian_stands_in() -> None:
    """Beats as a guardian does, for a session that is measured without one; cancel it at the end."""
    while True:
        heartbeat.guardian_beat(int(time.time() * 1000))
        await asyncio.sleep(1)


async def prepare(rest: KalshiRest, markets: int) -> Account:
    """Catalogue from the exchange, an account, and the first strategy armed on all of it."""
    batch = await catalogue_fetch(rest, CatalogueScope(), known=(), asked_at=timezone.now())
    await sync_to_async(catalogue_sync)(batch=batch, now=timezone.now())
    return await sync_to_async(_arm)(markets)


def _arm(markets: int) -> Account:
    now = timezone.now()
    kernel = strategy("maker_inside")
    account = Account.objects.create(name="bench", environment="simulated", created_at=now)
    row = Strategy.objects.create(slug="maker_inside", name="Maker inside", kernel="maker_inside", description="")
    version = StrategyVersion.objects.create(strategy=row, code_hash=kernel.code_hash, created_at=now)
    series = sorted(set(Market.objects.values_list("event__series__ticker", flat=True)))
    config = StrategyConfig.objects.create(
        account=account, version=version, markets=series, max_markets=markets, is_enabled=True, updated_at=now
    )
    params = kernel.params_type()
    ParameterSet.objects.create(
        config=config, number=1, values=params_to_mapping(params), params_hash=params_hash(params),
        status="approved", created_at=now,
    )  # fmt: skip
    switch_drills_run(by="bench", now=now)
    for rule, value in LIMITS.items():
        RiskLimit.objects.create(scope="account", scope_id="bench", rule=rule, value=value, updated_at=now)
    return account
