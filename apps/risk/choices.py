from __future__ import annotations

from django.db.models import TextChoices


class Scope(TextChoices):
    GLOBAL = "global", "Everything"
    ACCOUNT = "account", "Account"
    STRATEGY = "strategy", "Strategy"
    SERIES = "series", "Series"
    MARKET = "market", "Market"


class State(TextChoices):
    ACTIVE = "active", "Active"
    REDUCING = "reducing", "Reducing"
    HALTED = "halted", "Halted"


class LimitRule(TextChoices):
    """Names equal the fields of `engine.limits.RiskLimits`."""

    MAX_ORDER_DOLLARS = "max_order_dollars", "Dollars per order"
    MAX_CONTRACTS_PER_MARKET = "max_contracts_per_market", "Contracts per market"
    MIN_PRICE = "min_price", "Lowest price"
    MAX_PRICE = "max_price", "Highest price"
    MAX_TOTAL_EXPOSURE = "max_total_exposure", "Total exposure in dollars"


class KillOutcome(TextChoices):
    RUNNING = "running", "Running"
    PROVED_ZERO = "proved_zero", "Zero resting orders, seen twice"
    BLOCKED_ONLY = "blocked_only", "New orders blocked; resting orders not proved gone"


class Permission(TextChoices):
    TRIP_KILL_SWITCH = "trip_kill_switch", "May stop trading"
    RESUME_TRADING = "resume_trading", "May resume trading"

    @property
    def full(self) -> str:
        return f"risk.{self.value}"
