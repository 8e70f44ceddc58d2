"""What guards trading, as the screen shows it: guardian, exchange, gate and switches."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from apps.risk.choices import SwitchState
from apps.risk.guardian.heartbeat import GUARDIAN_MAX_AGE_MS, guardian_age_ms
from apps.risk.models import SwitchStatus
from apps.trading.models import Account

from .state import ExchangeTile, GateTile, GuardianTile, SwitchesTile

SWITCH_BOUND_S = 15
"""Every verdict is written again at least each five seconds."""
_SILENT = GateTile(None, ("No session tells whether anything could be sent",), None)
_PAUSED = "The exchange is paused: nothing can be sent, and nothing can be canceled until it resumes"
_NO_TRADING = "Trading is paused at the exchange: orders can be canceled, not placed"


def guardian_tile(*, now: datetime, told_at: datetime | None = None) -> GuardianTile:
    """By its beat in the file, or by what the session heard of it, whichever is newer."""
    age_ms = guardian_age_ms(int(now.timestamp() * 1000))
    beat_at = None if age_ms is None else now - timedelta(milliseconds=age_ms)
    at = max((known for known in (beat_at, told_at) if known is not None), default=None)
    if at is None:
        return GuardianTile("off", None)
    return GuardianTile("alive" if now - at <= timedelta(milliseconds=GUARDIAN_MAX_AGE_MS) else "late", at)


def guardian_told_at(payload: dict[str, Any], at: datetime) -> datetime | None:
    """When the guardian last beat, as the session knows."""
    age_ms = (payload.get("guardian") or {}).get("age_ms")
    return None if age_ms is None else at - timedelta(milliseconds=int(age_ms))


def gate_tile(payload: dict[str, Any], at: datetime) -> GateTile:
    """From the published state; `closed_because` alone where no single block says it."""
    gate = payload.get("gate")
    if gate is None:
        return _SILENT
    closed = gate["closed_because"]
    if closed is None:
        return GateTile(True, (), at)
    blocks = tuple(str(block["reason"]) for block in gate["blocks"])
    if closed == "; ".join(blocks):
        return GateTile(False, blocks, at)
    return GateTile(False, (str(closed), *(reason for reason in blocks if reason not in str(closed))), at)


def gate_silent() -> GateTile:
    return _SILENT


def exchange_tile(payload: dict[str, Any], at: datetime) -> ExchangeTile:
    """What the exchange said of itself; what it does not say is not taken for open."""
    told = payload.get("exchange")
    if told is None:
        return exchange_silent()
    resumes = f" (it expects {_clock(told['resumes_at'])})" if told.get("resumes_at") else ""
    if told["is_exchange_active"] is False:
        return ExchangeTile("paused", _PAUSED + resumes, at)
    if told["is_trading_active"] is False:
        return ExchangeTile("no trading", _NO_TRADING + resumes, at)
    if told["is_exchange_active"] is True and told["is_trading_active"] is True:
        return ExchangeTile("open", "Orders can be placed and canceled", at)
    return ExchangeTile("unknown", "The exchange does not say whether it is open", at)


def exchange_silent() -> ExchangeTile:
    return ExchangeTile("unknown", "No session has asked the exchange", None)


def switches_tile(*, account: Account | None, now: datetime) -> SwitchesTile:
    rows = list(SwitchStatus.objects.filter(account=account.name)) if account else []
    newest = max((row.evaluated_at for row in rows), default=None)
    is_silent = newest is None or now - newest > timedelta(seconds=SWITCH_BOUND_S)
    not_ok = tuple((row.key, row.state) for row in rows if row.state != SwitchState.OK)
    return SwitchesTile(len(rows), not_ok, newest, is_silent)


def _clock(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%H:%M:%S} UTC"
