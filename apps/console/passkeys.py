"""Passkeys between browser and server: what the browser is asked, and the check of its answer.

The question rides in the page and the answer comes back as a form field, so a passkey needs no address of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.http.request import split_domain_port
from django_otp_webauthn.exceptions import OTPWebAuthnApiError
from django_otp_webauthn.helpers import WebAuthnHelper
from django_otp_webauthn.models import WebAuthnCredential
from webauthn.helpers.exceptions import WebAuthnException

from apps.core.exceptions import Refused

ADD, SHOW = "passkey_add", "passkey_show"
T = TypeVar("T")


class PasskeyRefused(Refused):
    """The browser's answer does not fit the question this session was asked, or the passkey is not the person's."""

    code = "passkey_refused"

    def __init__(self) -> None:
        super().__init__("That passkey did not work. Try it again, or use a code.")


class OwnAddressHelper(WebAuthnHelper):
    """Binds passkeys to the name this server is reached by, which `ALLOWED_HOSTS` has checked already."""

    def get_relying_party_domain(self) -> str:
        return domain_of(self.request)

    def get_allowed_origins(self) -> list[str]:
        return [f"{self.request.scheme}://{self.request.get_host()}"]


def domain_of(request: HttpRequest) -> str:
    return split_domain_port(request.get_host())[0]


def passkeys_work(request: HttpRequest) -> bool:
    """Browsers bind passkeys to a name, not to a number, and only where nobody can listen in."""
    name = domain_of(request)
    is_number = name.startswith("[") or name.replace(".", "").isdigit()
    return not is_number and (request.is_secure() or name == "localhost")


def question_to_add(request: HttpRequest, user: User) -> dict[str, Any]:
    question, request.session[ADD] = OwnAddressHelper(request).register_begin(user=user)
    return question


def question_to_show(request: HttpRequest, user: User) -> dict[str, Any]:
    question, request.session[SHOW] = OwnAddressHelper(request).authenticate_begin(
        user=user, require_user_verification=False
    )
    return question


def answer_to_add(request: HttpRequest, user: User, answer: str) -> WebAuthnCredential:
    """The new passkey, stored; raises `PasskeyRefused`."""
    helper = OwnAddressHelper(request)
    return _checked(request, ADD, answer, lambda state, data: helper.register_complete(user, state, data))


def answer_to_show(request: HttpRequest, user: User, answer: str) -> WebAuthnCredential:
    """The person's own passkey that answered; raises `PasskeyRefused`."""
    helper = OwnAddressHelper(request)
    return _checked(request, SHOW, answer, lambda state, data: helper.authenticate_complete(user, state, data))


def _checked(request: HttpRequest, key: str, answer: str, check: Callable[[Any, Any], T]) -> T:
    """Each question can be answered once, rightly or wrongly."""
    state = request.session.pop(key, None)
    if state is None:
        raise PasskeyRefused
    try:
        return check(state, json.loads(answer))
    except (WebAuthnException, OTPWebAuthnApiError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise PasskeyRefused from error
