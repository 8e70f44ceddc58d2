from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.models import User

from apps.core.exceptions import Refused
from apps.governance.choices import Direction
from apps.governance.handlers import ChangeRow
from apps.governance.models import ApprovalRequest
from apps.governance.services import audit_record
from apps.marketdata.models import Event, Market, Series
from apps.trading.choices import Environment, Rung
from apps.trading.models import StrategyConfig, StrategyVersion
from apps.trading.services.ladder import LADDER_WAIVE, WAIVABLE, waiver_store
from apps.trading.services.parameters import parameters_in_force
from apps.trading.services.strategies import CONFIG_ENABLE, SCOPE_CHANGE, config_arm, rung_for

from .base import ConfigHandler, config_get, require_keys
from .rows import direction_of

MOST_MARKETS = 1_000


class ScopeChangeHandler(ConfigHandler):
    """Which markets a strategy may trade. More raises risk, fewer lower it."""

    def current(self, target_id: str) -> dict[str, Any]:
        config = config_get(target_id)
        return {"markets": config.markets, "max_markets": config.max_markets, "code_hash": config.version.code_hash}

    def validate(self, target_id: str, payload: dict[str, Any]) -> None:
        require_keys(payload, "markets", "max_markets")
        config, markets, most = config_get(target_id), payload["markets"], payload["max_markets"]
        if not isinstance(markets, list) or not all(isinstance(t, str) and t for t in markets):
            raise Refused("Markets are tickers", code="bad_payload", extra={"field": "markets"})
        if type(most) is not int or not 1 <= most <= MOST_MARKETS:
            raise Refused(f"At most 1 to {MOST_MARKETS} markets", code="bad_payload", extra={"field": "max_markets"})
        if markets == config.markets and most == config.max_markets:
            raise Refused("These are the markets it has", code="no_change")
        new = set(markets) - set(config.markets)
        if unknown := sorted(new - _known(new)):
            raise Refused(
                f"Not in the catalogue: {', '.join(unknown)}", code="unknown_market", extra={"field": "markets"}
            )
        outside = sorted(new - set(config.version.scope))
        if config.account.environment != Environment.SIMULATED and outside:
            raise Refused(
                f"The code was not reviewed for {', '.join(outside)}", code="not_reviewed", extra={"field": "markets"}
            )

    def describe(self, target_id: str, payload: dict[str, Any], current: dict[str, Any]) -> list[ChangeRow]:
        old, new = current["markets"], payload["markets"]
        rows = [ChangeRow("Market", "ticker", "-", ticker, Direction.RAISES) for ticker in new if ticker not in old]
        rows += [ChangeRow("Market", "ticker", ticker, "-", Direction.LOWERS) for ticker in old if ticker not in new]
        before, after = current["max_markets"], payload["max_markets"]
        direction = direction_of(1, str(before), str(after), before, after)
        return [*rows, ChangeRow("Open markets at once", "count", str(before), str(after), direction,
                                 f"1 to {MOST_MARKETS}")]  # fmt: skip

    def base_version(self, current: dict[str, Any]) -> str:
        return ", ".join(current["markets"])[:60] or "no markets"

    def apply(
        self, target_id: str, payload: dict[str, Any], actor: User, now: datetime, request: ApprovalRequest
    ) -> None:
        before = self.current(target_id)
        StrategyConfig.objects.filter(pk=target_id).update(
            markets=payload["markets"], max_markets=payload["max_markets"], updated_at=now
        )
        audit_record(
            actor=actor,
            action=SCOPE_CHANGE,
            obj_type=self.target_type,
            obj_id=target_id,
            before=before,
            after=payload | {"approval": request.pk},
            reason=request.reason,
            now=now,
        )


class ConfigEnableHandler(ConfigHandler):
    """Arming: this code with these parameters on these markets, for one rung of the ladder. Always raises risk."""

    allows_emergency = False

    def current(self, target_id: str) -> dict[str, Any]:
        config = config_get(target_id)
        return {
            "is_enabled": config.is_enabled,
            "rung": config.rung,
            "code_hash": config.version.code_hash,
            "params_hash": parameters_in_force(config).params_hash,
            "markets": config.markets,
        }

    def validate(self, target_id: str, payload: dict[str, Any]) -> None:
        require_keys(payload, "is_enabled", "rung", "version", "code_hash", "params_hash", "markets")
        config, version = config_get(target_id), _version_of(payload)
        if payload["is_enabled"] is not True:
            raise Refused("Switching off needs no approval", code="bad_payload")
        if version.strategy_id != config.version.strategy_id or version.code_hash != payload["code_hash"]:
            raise Refused("The request names a version of another strategy or other code", code="bad_payload")
        if payload["params_hash"] != parameters_in_force(config).params_hash or payload["markets"] != config.markets:
            raise Refused("The parameters or markets are no longer those in force", code="bad_payload")
        rung_for(config, payload["rung"])
        if (config.is_enabled, config.version_id, config.rung) == (True, version.pk, payload["rung"]):
            raise Refused("It is armed like this already", code="no_change")

    def describe(self, target_id: str, payload: dict[str, Any], current: dict[str, Any]) -> list[ChangeRow]:
        def row(label: str, old: str, new: str) -> ChangeRow:
            return ChangeRow(label, "", old, new, Direction.UNCHANGED if old == new else Direction.RAISES)

        rung = Rung(current["rung"]).label if current["rung"] else "none"
        return [
            ChangeRow("Armed", "", f"{'on' if current['is_enabled'] else 'off'}, {rung}",
                      f"on, {Rung(payload['rung']).label}", Direction.RAISES),
            row("Decision code", current["code_hash"][:12], payload["code_hash"][:12]),
            row("Parameters", current["params_hash"][:12], payload["params_hash"][:12]),
            row("Markets", ", ".join(current["markets"]), ", ".join(payload["markets"])),
        ]  # fmt: skip

    def params_hash(self, target_id: str, payload: dict[str, Any]) -> str:
        return str(payload["params_hash"])

    def apply(
        self, target_id: str, payload: dict[str, Any], actor: User, now: datetime, request: ApprovalRequest
    ) -> None:
        config, before = config_get(target_id), self.current(target_id)
        config_arm(config=config, version=_version_of(payload), rung=Rung(payload["rung"]), approval=request, now=now)
        audit_record(
            actor=actor,
            action=CONFIG_ENABLE,
            obj_type=self.target_type,
            obj_id=config.pk,
            before=before,
            after=payload | {"approval": request.pk},
            reason=request.reason,
            now=now,
        )


class WaiverHandler(ConfigHandler):
    """A gate that may stand open for a while, with the reason; only those that the rules let anybody waive."""

    allows_emergency = False

    def current(self, target_id: str) -> dict[str, Any]:
        config = config_get(target_id)
        return {"version": config.version_id, "code_hash": config.version.code_hash}

    def validate(self, target_id: str, payload: dict[str, Any]) -> None:
        require_keys(payload, "gate", "version", "code_hash")
        if payload["gate"] not in WAIVABLE:
            raise Refused("This gate cannot be waived", code="not_waivable")
        if payload["version"] != config_get(target_id).version_id:
            raise Refused("The strategy runs another version now", code="bad_payload")

    def describe(self, target_id: str, payload: dict[str, Any], current: dict[str, Any]) -> list[ChangeRow]:
        return [
            ChangeRow(WAIVABLE[payload["gate"]], "gate", "must hold", "may stand open for 30 days", Direction.RAISES)
        ]

    def apply(
        self, target_id: str, payload: dict[str, Any], actor: User, now: datetime, request: ApprovalRequest
    ) -> None:
        config = config_get(target_id)
        waiver_store(config=config, gate=payload["gate"], reason=request.reason, approval=request, now=now)
        audit_record(
            actor=actor,
            action=LADDER_WAIVE,
            obj_type=self.target_type,
            obj_id=config.pk,
            after=payload | {"approval": request.pk},
            reason=request.reason,
            now=now,
        )


def _version_of(payload: dict[str, Any]) -> StrategyVersion:
    found = StrategyVersion.objects.select_related("strategy").filter(pk=payload["version"]).first()
    if found is None:
        raise Refused("There is no such version", code="bad_payload")
    return found


def _known(tickers: set[str]) -> set[str]:
    return {
        ticker
        for model in (Series, Event, Market)
        for ticker in model.objects.filter(ticker__in=tickers).values_list("ticker", flat=True)
    }
