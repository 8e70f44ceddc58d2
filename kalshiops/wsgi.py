"""WSGI entry, for servers that cannot speak ASGI; live updates then fall back to polling."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalshiops.settings")
application = get_wsgi_application()
