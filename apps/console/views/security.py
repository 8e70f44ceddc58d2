from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.console.authenticators import app_of
from apps.console.http import StaffRequest, own_page
from apps.console.http import page as frame_page
from apps.console.signin_forms import EnrolForm, PasswordForm
from apps.console.views.signin import add_context, add_factor
from apps.core.exceptions import Refused
from apps.core.stepup import factor_of, factor_remember, require_fresh
from apps.governance.choices import SignInEnd
from apps.governance.people import factors_of, recovery_codes_left, session_digest, sign_ins_open
from apps.governance.services.factors import app_forget, factor_remove, recovery_codes_make
from apps.governance.services.passwords import password_change
from apps.governance.services.sign_ins import sign_in_rekey, sign_ins_end


@require_safe
@own_page
def security(request: StaffRequest) -> HttpResponse:
    """One's own factors, recovery codes and browsers."""
    context = {
        "factors": factors_of(request.user),
        "codes_left": recovery_codes_left(request.user),
        "sign_ins": sign_ins_open(request.user, now=timezone.now()),
        "this_digest": session_digest(request.session.session_key),
    }
    return frame_page(request, "console/security.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@own_page
def factor_add(request: StaffRequest) -> HttpResponse:
    """A new authenticator app in place of the old one, or one more passkey."""
    now, user = timezone.now(), request.user
    require_fresh(factor_of(request), actor=user, now=now)
    form, status = EnrolForm(request.POST or None), 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                factor_remember(request, add_factor(request, user, form, now, **_held(request)))
                messages.success(request, "Added. Every other browser of yours is signed out.")
                return redirect("console:security")
            except Refused as error:
                form.add_error(None, error.message)
    else:
        app_forget(user=user)
    context = {"form": form, "app": app_of(user), "held": factors_of(user), **add_context(request, user)}
    return frame_page(request, "console/security_factor.html", context, status=status)


@require_POST
@own_page
def factor_drop(request: StaffRequest, kind: str, key: int) -> HttpResponse:
    try:
        factor_remove(user=request.user, kind=kind, pk=key, now=timezone.now(), **_held(request))
        messages.success(request, "Removed. Every other browser of yours is signed out.")
    except Refused as error:
        messages.error(request, error.message)
    return redirect("console:security")


@require_POST
@own_page
def recovery_codes(request: StaffRequest) -> HttpResponse:
    """Ten new codes, shown in the answer and nowhere else."""
    codes = recovery_codes_make(user=request.user, factor=factor_of(request), now=timezone.now())
    return frame_page(request, "console/security_codes.html", {"codes": codes})


@require_POST
@own_page
def sign_out_elsewhere(request: StaffRequest) -> HttpResponse:
    keep = request.session.session_key
    ended = sign_ins_end(
        user=request.user, because=SignInEnd.BY_OWNER, now=timezone.now(), actor=request.user, keep=keep
    )
    messages.success(request, f"Signed out in {ended} other browser{'' if ended == 1 else 's'}.")
    return redirect("console:security")


@require_http_methods(["GET", "HEAD", "POST"])
@own_page
@sensitive_post_parameters()
def password(request: StaffRequest) -> HttpResponse:
    """Another password, by somebody who knows the present one and shows the second factor."""
    now, user = timezone.now(), request.user
    require_fresh(factor_of(request), actor=user, now=now)
    form, status = PasswordForm(user, request.POST or None, with_old=True), 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            old_key = request.session.session_key
            password_change(user=user, password=form.cleaned_data["new_password2"], now=now, keep=old_key)
            update_session_auth_hash(request, user)
            sign_in_rekey(old_key=old_key, new_key=request.session.session_key)
            messages.success(request, "Your password is changed. Every other browser of yours is signed out.")
            return redirect("console:security")
    return frame_page(request, "console/security_password.html", {"form": form}, status=status)


@own_page
def admin_password(request: StaffRequest) -> HttpResponse:
    """The admin has no page of its own for this."""
    return redirect("console:security-password")


def _held(request: StaffRequest) -> dict[str, Any]:
    """What this browser has shown, and its own sign-in, which a change of factors leaves alone."""
    return {"factor": factor_of(request), "keep": request.session.session_key}
