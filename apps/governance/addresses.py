"""Where a request comes from, when proxies of ours stand in front."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse


def client_address(request: HttpRequest) -> str | None:
    """The address the outermost of our `PROXY_DEPTH` proxies saw; without proxies the connection's own.

    What a client writes into X-Forwarded-For itself stands further left and is never read. A chain shorter than our
    own proxies make it did not come through them: then the connection's address counts.
    """
    connection = request.META.get("REMOTE_ADDR") or None
    if not settings.PROXY_DEPTH:
        return connection
    hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
    return hops[-settings.PROXY_DEPTH] if len(hops) >= settings.PROXY_DEPTH else connection


def same_answer(request: HttpRequest, response: HttpResponse, credentials: Any) -> HttpResponse:
    """The page a locked-out person gets: the one that everybody gets whose password was wrong."""
    return response
