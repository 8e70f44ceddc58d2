"""What every episode starts from: the catalogue, an armed account, its limits and parameters."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.contrib.auth.models import Permission, User

from apps.engine.decimals import money_from_decimal, price_from_decimal, quantity_from_decimal
from apps.marketdata.mapping import ranges_to_json
from apps.marketdata.models import Event, Market, Series
from apps.risk.choices import Scope
from apps.risk.models import RiskLimit, SwitchSetting
from apps.risk.services.switches import switch_drills_run
from apps.simulation.exchange.clock import ManualClock
from apps.simulation.exchange.config import Credential, ExchangeConfig
from apps.simulation.exchange.exchange import create_exchange
from apps.simulation.exchange.synthetic import SyntheticFlow
from apps.trading.choices import Permission as TradingPermission
from apps.trading.models import Account, StrategyConfig
from apps.trading.services.parameters import parameters_complete, parameters_put_in_force
from apps.trading.services.seeding import trading_seed

from .clocks import START_US
from .limits import Allowed

KEY_ID = "episodes"
DESK = "alice"
"""Who asks for orders by hand."""
PRIVATE_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
MARKETS = 3
START = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=START_US)


def lay_ground() -> None:
    """Fills an empty database; every episode begins with exactly this and what `arrange` changes."""
    config = ExchangeConfig(credentials=(Credential(KEY_ID, PRIVATE_KEY.public_key()),))
    exchange = create_exchange(config, ManualClock(START_US), random.Random(1))
    SyntheticFlow(exchange.state, MARKETS, 1.0, seed=1)
    for market in exchange.state.catalogue.markets.values():
        series = Series.objects.create(
            ticker=market.event.series.ticker,
            title=market.event.series.title,
            category=market.event.series.category,
            frequency="custom",
            fee_type=market.event.series.fee_type,
            fee_multiplier=Decimal(market.event.series.fee_multiplier),
            updated_at=START,
        )
        event = Event.objects.create(
            ticker=market.event.event_ticker,
            series=series,
            title=market.event.title,
            mutually_exclusive=False,
            updated_at=START,
        )
        Market.objects.create(
            ticker=market.ticker,
            event=event,
            title=market.title,
            status="active",
            open_at=_at(market.open_us),
            close_at=_at(market.close_us),
            price_level_structure=market.structure,
            price_ranges=ranges_to_json(market.ranges),
            exchange_index=0,
            updated_at=START,
        )
    tickers = list(exchange.state.catalogue.markets)
    trading_seed(environment="simulated", markets=tickers, default_markets=tickers, now=START)
    Account.objects.update(order_key="episodes")
    person = User.objects.create(username=DESK)
    person.user_permissions.add(Permission.objects.get(codename=TradingPermission.PLACE_ORDER.value))
    switch_drills_run(by="episodes", now=START)


def _at(us: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)


@dataclass(frozen=True, slots=True)
class Setup:
    """What differs from episode to episode. Decimal strings, as people would set them."""

    tickers: tuple[str, ...]
    order_quantity: str
    max_position: str
    min_spread: str
    limits: dict[str, Decimal]
    is_lenient: bool
    execution: dict[str, str]


def draw_setup(rng: random.Random, tickers: list[str]) -> Setup:
    """Sizes and limits that come close to each other, so that limits bind in many episodes."""
    order = rng.choice((2, 5, 8))
    contracts = rng.choice((order, order + 1, 2 * order, 3 * order, 30))
    return Setup(
        tickers=tuple(tickers),
        order_quantity=f"{order}.00",
        max_position=f"{rng.choice((order, 2 * order, 25, 60))}.00",
        min_spread=rng.choice(("0.0200", "0.0300")),
        limits={
            "max_order_dollars": Decimal(rng.choice((3, 5, 500, 500))),
            "max_contracts_per_market": Decimal(contracts),
            "min_price": Decimal("0.02"),
            "max_price": Decimal("0.98"),
            "max_total_exposure": Decimal(rng.choice((6, 15, 40, 2000, 2000))),
        },
        is_lenient=rng.random() < 0.8,
        execution=_draw_execution(rng),
    )


def _draw_execution(rng: random.Random) -> dict[str, str]:
    """Mostly resting; now and then taking, in all markets or some of them, or stepping back after a fill."""
    mode = rng.choice(("maker", "maker", "maker", "maker", "hybrid", "sniper"))
    if mode == "maker":
        return {"fade_ticks": rng.choice(("0", "0", "1")), "fade_after_fill_ms": "1000"}
    return {
        "execution_mode": mode,
        "taker_share_bps": "5000",
        "taker_time_in_force": rng.choice(("ioc", "fok")),
        "min_edge": "0",
        "reference_ms": "1000",
    }


def arrange(setup: Setup) -> Account:
    """Writes the setup; the account is armed on its markets."""
    account = Account.objects.get()
    config = StrategyConfig.objects.select_related("version__strategy").get()
    config.markets = list(setup.tickers)
    config.save(update_fields=["markets"])
    change_parameters(
        {
            "order_quantity": setup.order_quantity,
            "max_position": setup.max_position,
            "min_spread": setup.min_spread,
            "min_price": "0.0200",
            "max_price": "0.9800",
        }
        | setup.execution,
        START,
    )
    if setup.is_lenient:
        # Else two failed requests would end trading for a minute, which is longer than most episodes.
        SwitchSetting.objects.create(key="K5", values={"warn_bps": 8_000, "trip_bps": 9_000}, updated_at=START)
    for rule, value in setup.limits.items():
        RiskLimit.objects.filter(scope=Scope.ACCOUNT, rule=rule).update(value=value)
    return account


def change_parameters(values: dict[str, str], now: datetime) -> None:
    config = StrategyConfig.objects.select_related("version__strategy").get()
    base = config.parameter_sets.order_by("-number").first()
    complete = parameters_complete(
        kernel=config.version.strategy.kernel, values=values, base=None if base is None else base.values
    )
    parameters_put_in_force(config=config, values=complete, approval=None, created_by=None, now=now)


def allowed_now() -> Allowed:
    """The limits as the database has them."""
    values = dict(RiskLimit.objects.filter(scope=Scope.ACCOUNT).values_list("rule", "value"))
    return Allowed(
        order_dollars=money_from_decimal(values["max_order_dollars"]),
        contracts=quantity_from_decimal(values["max_contracts_per_market"]),
        exposure=money_from_decimal(values["max_total_exposure"]),
        min_price=price_from_decimal(values["min_price"]),
        max_price=price_from_decimal(values["max_price"]),
    )
