"""What people do to a running session, some of it twice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random

from apps.risk.blocks import block_clear
from apps.risk.choices import Scope, State
from apps.risk.models import RiskLimit, TradingState
from apps.risk.services.stops import kill_switch_trip
from apps.trading.models import StrategyConfig, TradingSession

from .database import outside_loop
from .faults import FaultKind
from .ground import START, allowed_now, change_parameters
from .world import World


class PeopleActs:
    kinds = (
        FaultKind.KILL_SWITCH,
        FaultKind.KILL_TWICE,
        FaultKind.RESTART_TWICE,
        FaultKind.LIMIT_LOWERED,
        FaultKind.PARAMETERS_CHANGED,
        FaultKind.STRATEGY_DISARMED,
    )

    def __init__(self, world: World, rng: Random) -> None:
        self._world = world
        self._rng = rng

    @property
    def _now(self) -> datetime:
        return START + timedelta(seconds=self._world.loop.time())

    def act(self, kind: FaultKind) -> None:
        self._world.faults.count(kind)
        acts: dict[FaultKind, Callable[[], None]] = {
            FaultKind.KILL_SWITCH: self._halt,
            FaultKind.KILL_TWICE: self._halt_twice,
            FaultKind.RESTART_TWICE: self._restart_twice,
            FaultKind.LIMIT_LOWERED: self._lower,
            FaultKind.PARAMETERS_CHANGED: self._parameters,
            FaultKind.STRATEGY_DISARMED: self._disarm,
        }
        outside_loop(acts[kind])

    def calm(self) -> None:
        """The strategy is armed again; a halt stays until it is resumed in time, or for good."""
        outside_loop(self._arm)

    def _halt(self) -> None:
        """One press; the same press again is the same stop."""
        self._press(f"press-{self._rng.getrandbits(32):08x}")

    def _halt_twice(self) -> None:
        request_id = f"press-{self._rng.getrandbits(32):08x}"
        self._press(request_id)
        self._press(request_id)
        self._press(f"press-{self._rng.getrandbits(32):08x}")

    def _press(self, request_id: str) -> None:
        kill_switch_trip(
            scope=Scope.ACCOUNT,
            scope_id=self._world.trading_account.name,
            reason="simulated",
            actor=None,
            actor_label="system:episodes",
            now=self._now,
            request_id=request_id,
        )
        was_halted = self._world.rules.is_halted
        self._world.rules.halt(self._world.loop.time())
        if not was_halted and self._rng.random() < 0.6:
            self._world.loop.call_later(self._rng.uniform(1.0, 8.0), outside_loop, self._resume)

    def _resume(self) -> None:
        """As an approved resume is carried out: the row first, then the flags."""
        name = self._world.trading_account.name
        TradingState.objects.filter(scope=Scope.ACCOUNT, scope_id=name).update(
            state=State.ACTIVE, reason="simulated", changed_at=self._now
        )
        block_clear(scope=Scope.ACCOUNT, scope_id=name)
        self._world.rules.resume(self._world.loop.time())

    def _restart_twice(self) -> None:
        for _ in range(2):
            newest = TradingSession.objects.order_by("-id").first()
            if newest is not None:
                TradingSession.objects.filter(pk=newest.pk).update(stop_requested_at=self._now)

    def _lower(self) -> None:
        rule, value = self._rng.choice(
            (
                ("max_contracts_per_market", Decimal(self._rng.choice((1, 3, 6)))),
                ("max_order_dollars", Decimal("1.5")),
                ("max_total_exposure", Decimal(4)),
                ("min_price", Decimal("0.40")),
                ("max_price", Decimal("0.60")),
            )
        )
        row = RiskLimit.objects.get(scope=Scope.ACCOUNT, rule=rule)
        RiskLimit.objects.filter(pk=row.pk).update(value=value, version=row.version + 1, updated_at=self._now)
        self._world.rules.change(self._world.loop.time(), allowed_now())

    def _parameters(self) -> None:
        change_parameters({"order_quantity": self._rng.choice(("1.00", "3.00", "7.00"))}, self._now)

    def _disarm(self) -> None:
        StrategyConfig.objects.update(is_enabled=False, updated_at=self._now)
        self._world.loop.call_later(self._rng.uniform(1.0, 5.0), outside_loop, self._arm)

    def _arm(self) -> None:
        StrategyConfig.objects.filter(is_enabled=False).update(is_enabled=True, updated_at=self._now)
