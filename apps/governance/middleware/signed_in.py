"""Holds every request of a signed-in browser to its sign-in: not ended, not idle, not older than a working day."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apps.core.stepup import factor_of
from apps.governance.people import sign_in_of, sign_in_over
from apps.governance.services.sign_ins import sign_in_end, sign_in_seen

OVER = "sign_in_over"


class SignedInMiddleware:
    """Stands behind authentication; afterwards `request.user` is somebody who showed password and second factor."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            self._hold(request, request.user)
        return self._get_response(request)

    def _hold(self, request: HttpRequest, user: User) -> None:
        now = timezone.now()
        factor = factor_of(request)
        row = sign_in_of(user, request.session.session_key)
        if row is None or factor is None or factor.user_id != user.pk:
            self._forget(request, None)
        elif over := sign_in_over(row, user, now=now):
            sign_in_end(row=row, because=over, now=now, actor=None)
            self._forget(request, over)
        elif is_own_step(request):
            sign_in_seen(row=row, now=now)

    def _forget(self, request: HttpRequest, because: str | None) -> None:
        request.session.flush()
        request.user = AnonymousUser()
        if because is not None:
            request.session[OVER] = because


def is_own_step(request: HttpRequest) -> bool:
    """Whether a person did this, as far as a request tells: a page that asks again by itself is nobody's step."""
    if request.method == "POST":
        return True
    if "HX-Request" in request.headers:
        return False
    is_navigation = request.headers.get("Sec-Fetch-Mode") == "navigate"
    return not is_navigation or "Sec-Fetch-User" in request.headers
