from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.contrib.auth import authenticate, logout
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render, resolve_url
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from apps.console import signing_in
from apps.console.authenticators import app_of, factor_shown
from apps.console.http import own_page, public_page
from apps.console.passkeys import answer_to_add, passkeys_work, question_to_add, question_to_show
from apps.console.signin_forms import EnrolForm, FactorForm, PasswordForm, SignInForm
from apps.core.exceptions import Refused
from apps.core.stepup import FreshFactor
from apps.governance.choices import SignInEnd
from apps.governance.middleware.access import local_path
from apps.governance.middleware.signed_in import OVER
from apps.governance.people import PASSKEY, factors_of, sign_in_of
from apps.governance.services.factors import app_confirm, passkey_add, recovery_codes_make
from apps.governance.services.passwords import password_change
from apps.governance.services.sign_ins import sign_in_end

GENERIC = "Name and password do not fit, or there were too many wrong tries. After five, wait 15 minutes."


@require_http_methods(["GET", "HEAD", "POST"])
@public_page
@sensitive_post_parameters("password")
def sign_in(request: HttpRequest) -> HttpResponse:
    """The password; what is wrong with it is never said."""
    back = local_path(request, request.POST.get("next") or request.GET.get("next", ""))
    if request.user.is_authenticated:
        return redirect(back or "console:mission")
    form, status = SignInForm(request.POST or None), 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            user = authenticate(request, **form.cleaned_data)
            if isinstance(user, User):
                return _next(request, signing_in.begin(request, user, back, timezone.now()))
            form.add_error(None, GENERIC)
    over = request.session.get(OVER)
    context = {"form": form, "back": back, "over": SignInEnd(over).label if over in SignInEnd.values else ""}
    return page(request, "signin", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@public_page
def factor(request: HttpRequest) -> HttpResponse:
    """The second factor of somebody who has one."""
    now = timezone.now()
    under = signing_in.under_way(request, now)
    if under is None or under.step() != "console:sign-in-factor":
        return _elsewhere(request, under)
    form, status = FactorForm(request.POST or None), 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                signing_in.shown(request, under, factor_shown(request, under.user, form, now))
                return _next(request, under)
            except Refused as error:
                if signing_in.failed(request, under.user):
                    return redirect("console:sign-in")
                form.add_error(None, error.message)
    return page(request, "signin_factor", factor_context(request, under.user, form), status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@public_page
@sensitive_post_parameters()
def password(request: HttpRequest) -> HttpResponse:
    """A password of one's own in place of the one that was given."""
    now = timezone.now()
    under = signing_in.under_way(request, now)
    if under is None or under.step() != "console:sign-in-password":
        return _elsewhere(request, under)
    form, status = PasswordForm(under.user, request.POST or None), 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            password_change(user=under.user, password=form.cleaned_data["new_password2"], now=now)
            signing_in.password_chosen(request, under)
            return _next(request, under)
    return page(request, "signin_password", {"form": form, "username": under.user.get_username()}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@public_page
def enrol(request: HttpRequest) -> HttpResponse:
    """The first second factor. It signs in and shows the recovery codes, this once."""
    now = timezone.now()
    under = signing_in.under_way(request, now)
    if under is None or under.step() != "console:sign-in-enrol":
        return _elsewhere(request, under)
    form, status = EnrolForm(request.POST or None), 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                return _enrolled(request, under, form, now)
            except Refused as error:
                form.add_error(None, error.message)
    context = {"form": form, "app": app_of(under.user), "is_first": True, **add_context(request, under.user)}
    return page(request, "signin_enrol", context, status=status)


@require_POST
@own_page
def sign_out(request: HttpRequest) -> HttpResponse:
    assert isinstance(request.user, User)
    row = sign_in_of(request.user, request.session.session_key)
    if row is not None:
        sign_in_end(row=row, because=SignInEnd.SIGNED_OUT, now=timezone.now(), actor=request.user)
    logout(request)
    return redirect("console:sign-in")


@public_page
def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """The admin has no sign-in of its own."""
    back = request.GET.get("next", "")
    query = "?" + urlencode({"next": back}) if back else ""
    return HttpResponseRedirect(resolve_url("console:sign-in") + query)


def _enrolled(request: HttpRequest, under: signing_in.Under, form: EnrolForm, now: datetime) -> HttpResponse:
    user = under.user
    fresh = add_factor(request, user, form, now)
    signing_in.shown(request, under, fresh)
    signing_in.finish(request, under, now)
    codes = recovery_codes_make(user=user, factor=fresh, now=now)
    return page(request, "signin_codes", {"codes": codes, "back": under.back or resolve_url("console:mission")})


def add_factor(request: HttpRequest, user: User, form: EnrolForm, now: datetime, **held: Any) -> FreshFactor:
    """A passkey where the browser sent one, else the authenticator app whose code was typed."""
    answer = form.cleaned_data["passkey"]
    held = {"factor": None, "keep": None} | held
    if not answer:
        return app_confirm(user=user, code=form.cleaned_data["code"], now=now, **held)
    name = form.cleaned_data["name"]
    return passkey_add(user=user, prove=lambda: answer_to_add(request, user, answer), name=name, now=now, **held)


def factor_context(request: HttpRequest, user: User, form: FactorForm) -> dict[str, Any]:
    """What the page needs that asks for a factor; a passkey's question only where the person has one."""
    kinds = {held.kind for held in factors_of(user)}
    has_passkey = PASSKEY in kinds and passkeys_work(request)
    question = json.dumps(question_to_show(request, user)) if has_passkey else ""
    return {"form": form, "kinds": kinds, "question": question, "username": user.get_username()}


def add_context(request: HttpRequest, user: User) -> dict[str, Any]:
    question = json.dumps(question_to_add(request, user)) if passkeys_work(request) else ""
    return {"question": question, "username": user.get_username()}


def page(request: HttpRequest, name: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    return render(request, f"console/{name}.html", {"now": timezone.now(), **context}, status=status)


def _next(request: HttpRequest, under: signing_in.Under) -> HttpResponse:
    """To the step that is still to be done, or in."""
    step = under.step()
    if step is not None:
        return redirect(step)
    signing_in.finish(request, under, timezone.now())
    return redirect(under.back or "console:mission")


def _elsewhere(request: HttpRequest, under: signing_in.Under | None) -> HttpResponse:
    """This page is not the next step: to the one that is."""
    if under is None:
        return redirect("console:sign-in")
    return _next(request, under)
