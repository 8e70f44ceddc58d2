from __future__ import annotations

from django.db.models import TextChoices


class Environment(TextChoices):
    SIMULATED = "simulated", "Simulated"
    PAPER = "paper", "Paper"
    DEMO = "demo", "Demo"
    LIVE = "live", "Live"


class OrderStatus(TextChoices):
    """Equal to `engine.orders.OrderStatus`."""

    INITIALIZED = "initialized", "Initialized"
    DENIED = "denied", "Denied by us"
    SUBMITTED = "submitted", "Submitted"
    ACCEPTED = "accepted", "Resting"
    PARTIALLY_FILLED = "partially_filled", "Partially filled"
    FILLED = "filled", "Filled"
    PENDING_CANCEL = "pending_cancel", "Cancel sent"
    CANCELED = "canceled", "Canceled"
    REJECTED = "rejected", "Rejected by the exchange"
    EXPIRED = "expired", "Expired"
    UNKNOWN = "unknown", "Unknown"


class EventSource(TextChoices):
    OWN = "own", "Our own act"
    ACK = "ack", "Reply to our request"
    PRIVATE_FEED = "private_feed", "Private feed"
    REST = "rest", "Exchange's records"


class ExecutionMode(TextChoices):
    """How an order came to be sent."""

    MAKER = "maker", "Resting"
    TAKER = "taker", "Taking"
    LEG = "leg", "Leg of a plan"
    MANUAL = "manual", "Placed by a person"


class PlanState(TextChoices):
    """Equal to `engine.legs.PlanState`."""

    PENDING = "pending", "Not started"
    WORKING = "working", "Working"
    COMPLETE = "complete", "Complete"
    UNWINDING = "unwinding", "Unwinding"
    UNWOUND = "unwound", "Unwound"
    LEFT = "left", "Ended with contracts left"
    CANCELED = "canceled", "Canceled"


class RequestState(TextChoices):
    PENDING = "pending", "Waiting for the session"
    TAKEN = "taken", "Taken by the session"
    DENIED = "denied", "Denied"
    SENT = "sent", "Sent"
    DONE = "done", "Ended"


class CashKind(TextChoices):
    OPENING = "opening", "Opening balance"
    TRADE = "trade", "Trade"
    FEE = "fee", "Fee"
    SETTLEMENT = "settlement", "Settlement"


class SessionState(TextChoices):
    STARTING = "starting", "Starting"
    RECONCILING = "reconciling", "Reconciling"
    RUNNING = "running", "Running"
    PAUSED = "paused", "Paused"
    STOPPING = "stopping", "Stopping"
    STOPPED = "stopped", "Stopped"
    FAILED = "failed", "Failed"


class ParameterStatus(TextChoices):
    APPROVED = "approved", "Approved"
    FALLBACK = "fallback", "Approved as fallback"
    RETIRED = "retired", "Retired"


class Rung(TextChoices):
    """The promotion ladder, from the bottom up; `live_small` and `live` are both the live environment."""

    SIMULATED = "simulated", "Simulated"
    PAPER = "paper", "Paper"
    DEMO = "demo", "Demo"
    LIVE_SMALL = "live_small", "Live, small"
    LIVE = "live", "Live"


class Permission(TextChoices):
    OPERATE_SESSION = "operate_session", "May start and stop a trading session"
    PLACE_ORDER = "place_order", "May place and cancel orders and plans by hand"

    @property
    def full(self) -> str:
        """The name `User.has_perm` takes."""
        return f"trading.{self.value}"
