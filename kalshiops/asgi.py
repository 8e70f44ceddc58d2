"""ASGI entry: Django over HTTP, the console's live consumers over WebSocket."""

from __future__ import annotations

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalshiops.settings")
django_application = get_asgi_application()

from apps.console.routing import websocket_urlpatterns  # noqa: E402  models must be loaded first
from apps.core.processes import report_always  # noqa: E402

report_always("web")
application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
