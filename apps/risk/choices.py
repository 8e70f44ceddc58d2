from __future__ import annotations

from django.db.models import TextChoices


class Scope(TextChoices):
    GLOBAL = "global", "Everything"
    ACCOUNT = "account", "Account"
    ENVIRONMENT = "environment", "Environment"
    STRATEGY = "strategy", "Strategy"
    CATEGORY = "category", "Category"
    THEME = "theme", "Theme"
    SERIES = "series", "Series"
    EVENT = "event", "Event"
    MARKET = "market", "Market"


class State(TextChoices):
    ACTIVE = "active", "Active"
    REDUCING = "reducing", "Reducing"
    HALTED = "halted", "Halted"


class LimitRule(TextChoices):
    """Names equal the engine's (`engine.limits.LimitRule`), which knows what each counts in and what it binds."""

    MAX_ORDER_DOLLARS = "max_order_dollars", "Dollars per order"
    MAX_ORDER_CONTRACTS = "max_order_contracts", "Contracts per order"
    MAX_DEPTH_SHARE = "max_depth_share", "Order as a share of visible depth"
    MAX_CONTRACTS_PER_MARKET = "max_contracts_per_market", "Contracts per market"
    MIN_PRICE = "min_price", "Lowest price"
    MAX_PRICE = "max_price", "Highest price"
    MAX_TOTAL_EXPOSURE = "max_total_exposure", "Dollars at risk"
    MAX_NAV_SHARE = "max_nav_share", "Dollars at risk as a share of net asset value"
    MAX_CONTRACTS = "max_contracts", "Contracts in all"
    MAX_ORDERS_PER_MINUTE = "max_orders_per_minute", "Orders per minute"


class ResumeCheck(TextChoices):
    """What the person who asks to resume has to confirm, each by itself."""

    CAUSE_KNOWN = "cause_known", "The cause is known, and it is gone"
    RECONCILED_CLEAN = "reconciled_clean", "Orders, positions and cash agree with the exchange"
    FEEDS_FRESH = "feeds_fresh", "Feeds are fresh"
    LIMITS_REVIEWED = "limits_reviewed", "Limits were reviewed, and none is broken"
    SWITCHES_LIVE = "switches_live", "Every switch has a live input and a good drill"


class SwitchState(TextChoices):
    OK = "ok", "OK"
    WARN = "warn", "Warning"
    TRIPPED = "tripped", "Tripped"
    NO_INPUT = "no_input", "No input"


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
