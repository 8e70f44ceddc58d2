"""What every console page has in common: who may open it, what its frame shows, and how errors become a status."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, overload

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django_htmx.middleware import HtmxDetails

from apps.core.access import OWN, PUBLIC, Access, declare
from apps.core.exceptions import ApplicationError, Conflict, NotPermitted
from apps.governance.choices import AccessPermission
from apps.governance.selectors import approval_list_open
from apps.trading.selectors import account_default

View = TypeVar("View", bound=Callable[..., HttpResponse])
SEE = AccessPermission.SEE.full


class StaffRequest(HttpRequest):
    """What a console view gets: signed in, staff, with htmx's details."""

    htmx: HtmxDetails
    user: User


@overload
def console_page(view: View, /) -> View: ...


@overload
def console_page(*, right: str = SEE, post: str | None = None) -> Callable[[View], View]: ...


def console_page(view: View | None = None, /, *, right: str = SEE, post: str | None = None) -> Any:
    """Says who may open a page: `right` to look at it, and `post` besides to send its form (without: nobody).

    The access middleware keeps to it; the service behind a form asks for the right once more.
    """
    decorate = partial(declare, access=Access(right, post))
    return decorate if view is None else decorate(view)


own_page: Callable[[View], View] = partial(declare, access=OWN)
public_page: Callable[[View], View] = partial(declare, access=PUBLIC)


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
