"""Deny by default: a view opens only to whom it says it opens, and one that says nothing to nobody."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.urls import ResolverMatch
from django.utils.http import url_has_allowed_host_and_scheme

from apps.core.access import Access, access_of
from apps.core.stepup import StepUpNeeded
from apps.governance.choices import AccessPermission

log = logging.getLogger(__name__)

# The admin's own views ask for the right on the model or task; who may see nothing has no business there at all.
ADMIN = Access(AccessPermission.SEE.full, AccessPermission.SEE.full)


class AccessMiddleware:
    """Checks the view's declaration, and turns `StepUpNeeded` into a trip to the second factor and back."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        access = access_declared(view, request.resolver_match)
        if access is None:
            log.error("refused: the view behind %s declares no right", request.path)
            raise PermissionDenied
        if access.is_public:
            return None
        if not request.user.is_authenticated:
            return _go(request, resolve_url(settings.LOGIN_URL), back_of(request))
        if missing := missing_right(access, request):
            raise PermissionDenied(missing)
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, StepUpNeeded):
            return None
        if request.method == "POST":
            messages.warning(request, "Nothing was sent yet. Once the second factor is confirmed, send it again.")
        return _go(request, resolve_url(settings.STEP_UP_URL), back_of(request))


def access_declared(view: Callable[..., Any], match: ResolverMatch | None) -> Access | None:
    """What the view says of itself; the admin's views are held to the admin's common ground."""
    declared = access_of(view)
    if declared is None and match is not None and match.app_names[:1] == ["admin"]:
        return ADMIN
    return declared


def missing_right(access: Access, request: HttpRequest) -> str:
    """What the person lacks for this page and method, in words; empty when nothing."""
    user = request.user
    if access.is_own:
        return ""
    if not user.is_staff or access.right is None:
        return "Your account is not one of the team's."
    needed = [access.right]
    if request.method not in ("GET", "HEAD", "OPTIONS"):
        if access.post is None:
            return "Nothing can be sent to this page."
        needed.append(access.post)
    lacking = [right for right in needed if not user.has_perm(right)]
    return f"This needs the right {lacking[0]}." if lacking else ""


def back_of(request: HttpRequest) -> str:
    """The local page to come back to: the one asked for, or the one whose form was sent."""
    if request.method in ("GET", "HEAD") and "HX-Request" not in request.headers:
        return request.get_full_path()
    came_from = request.headers.get("HX-Current-URL") or request.headers.get("Referer", "")
    return local_path(request, came_from) or ("" if request.method == "POST" else request.get_full_path())


def local_path(request: HttpRequest, url: str) -> str:
    """The path of an address of ours, empty for anybody else's."""
    if not url_has_allowed_host_and_scheme(url, {request.get_host()}, require_https=request.is_secure()):
        return ""
    origin = f"{request.scheme}://{request.get_host()}"
    path = url.removeprefix(origin)
    return path if path.startswith("/") and not path.startswith("//") else ""


def _go(request: HttpRequest, address: str, back: str) -> HttpResponse:
    """A redirect that an htmx fragment follows as a page, instead of putting the page inside itself."""
    to = f"{address}?{urlencode({'next': back})}" if back and back != "/" else address
    if "HX-Request" in request.headers:
        return HttpResponse(status=204, headers={"HX-Redirect": to})
    return HttpResponseRedirect(to)
