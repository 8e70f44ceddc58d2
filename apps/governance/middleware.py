"""Whoever signed in with a one-time password chooses another before anything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import resolve, reverse

from .models import OneTimePassword

MUST_CHANGE = "must_change_password"
_ALLOWED = frozenset({"admin:password_change", "admin:password_change_done", "admin:logout", "admin:jsi18n"})


def note_one_time_password(request: HttpRequest, user: User, **_: Any) -> None:
    """At sign-in: remembers in the session that the password was given, so that later requests ask nobody."""
    if uses_one_time_password(user):
        request.session[MUST_CHANGE] = True


def uses_one_time_password(user: User) -> bool:
    return OneTimePassword.objects.filter(user_id=user.pk, password=user.password).exists()


class OneTimePasswordMiddleware:
    """Stands behind authentication. Every page but the change itself and signing out leads to the change."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.session.get(MUST_CHANGE) or not request.user.is_authenticated:
            return self._get_response(request)
        if not uses_one_time_password(request.user):
            del request.session[MUST_CHANGE]
            return self._get_response(request)
        if resolve(request.path_info).view_name in _ALLOWED:
            return self._get_response(request)
        return HttpResponseRedirect(reverse("admin:password_change"))
