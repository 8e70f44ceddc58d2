"""What every console page has in common: who may open it, and the headers it is sent with."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django_htmx.middleware import HtmxDetails

from apps.core.exceptions import ApplicationError, Conflict, NotPermitted
from apps.governance.selectors import approval_list_open
from apps.trading.selectors import account_default

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'"
)
View = Callable[..., HttpResponse]


class StaffRequest(HttpRequest):
    """What a console view gets: signed in, staff, with htmx's details."""

    htmx: HtmxDetails
    user: User


def console_page(view: View) -> View:
    """Members of staff only. Nothing on the page may run unless it is a file of ours; nothing is cached."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_staff:
            raise PermissionDenied
        response = view(request, *args, **kwargs)
        response["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        response["Cache-Control"] = "no-store"
        return response

    return wrapped


def is_fragment(request: StaffRequest) -> bool:
    return bool(request.htmx) and not request.htmx.boosted and not request.htmx.history_restore_request


def page(request: StaffRequest, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """Renders with what the frame needs: the time of the numbers, the environment, the open approvals."""
    now = context.setdefault("now", timezone.now())
    if "approvals_open" not in context:
        context["approvals_open"] = approval_list_open(now=now).count()
    if "environment" not in context and (account := account_default()) is not None:
        context |= {"environment": account.environment, "account_name": account.name}
    return render(request, template, context, status=status)


def status_of(error: ApplicationError) -> int:
    """403 without the right, 409 when the object moved, 422 when it cannot be done as asked."""
    if isinstance(error, NotPermitted):
        return 403
    return 409 if isinstance(error, Conflict) else 422


def before_key(request: HttpRequest) -> int | None:
    """The `before` of a list's next page; anything that is not a number is no key."""
    text = request.GET.get("before", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
