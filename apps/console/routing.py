from __future__ import annotations

from django.urls import URLPattern, path

from .consumers import KillConsumer, LiveConsumer

websocket_urlpatterns: list[URLPattern] = [
    path("ws/live/", LiveConsumer.as_asgi(), name="live"),
    path("ws/kill/<int:key>/", KillConsumer.as_asgi(), name="kill-progress"),
]
