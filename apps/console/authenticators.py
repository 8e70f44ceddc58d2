"""What a person shows or sets up: the answer to a question for the factor, and an authenticator app's picture."""

from __future__ import annotations

from base64 import b32encode
from dataclasses import dataclass
from datetime import datetime

import segno
from django.contrib.auth.models import User
from django.http import HttpRequest

from apps.core.stepup import FreshFactor
from apps.governance.people import PASSKEY
from apps.governance.services.factors import app_begin, code_verify

from .passkeys import answer_to_show
from .signin_forms import FactorForm


@dataclass(frozen=True, slots=True)
class NewApp:
    """The secret of an app that is being set up: as a picture to scan and as text to type or paste."""

    picture: str
    secret: str


def app_of(user: User) -> NewApp:
    device = app_begin(user=user)
    picture = segno.make(device.config_url, error="m").svg_data_uri(scale=5, border=3, dark="#000", light="#fff")
    return NewApp(picture, b32encode(device.bin_key).decode().rstrip("="))


def factor_shown(request: HttpRequest, user: User, form: FactorForm, now: datetime) -> FreshFactor:
    """Checks what the form brought; raises `Refused` with the one sentence the person gets."""
    if answer := form.cleaned_data["passkey"]:
        answer_to_show(request, user, answer)
        return FreshFactor(user.pk, now, PASSKEY)
    return code_verify(user=user, code=form.cleaned_data["code"], now=now)
