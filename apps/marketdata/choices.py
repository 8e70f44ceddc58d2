from __future__ import annotations

from django.db.models import TextChoices


class FeedState(TextChoices):
    OFF = "off", "Off"
    CONNECTING = "connecting", "Connecting"
    LIVE = "live", "Live"
    DEGRADED = "degraded", "Degraded"
    DOWN = "down", "Down"
