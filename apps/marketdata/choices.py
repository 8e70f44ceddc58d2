from __future__ import annotations

from django.db.models import TextChoices


class FeedState(TextChoices):
    OFF = "off", "Off"
    CONNECTING = "connecting", "Connecting"
    LIVE = "live", "Live"
    DEGRADED = "degraded", "Degraded"
    DOWN = "down", "Down"


# Our word beside the exchange's market statuses: asked for by name, the exchange does not know it any more.
GONE = "gone"
