from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from apps.console import signing_in
from apps.console.authenticators import factor_shown
from apps.console.http import StaffRequest, own_page
from apps.console.signin_forms import FactorForm
from apps.console.views.signin import factor_context, page
from apps.core.exceptions import Refused
from apps.core.stepup import MAX_AGE, factor_remember
from apps.governance.choices import SignInEnd
from apps.governance.middleware.access import local_path
from apps.governance.people import sign_in_of
from apps.governance.services.sign_ins import sign_in_end

TRIES = "step_up_tries"


@require_http_methods(["GET", "HEAD", "POST"])
@own_page
def step_up(request: StaffRequest) -> HttpResponse:
    """The second factor once more, before a step that cannot easily be taken back."""
    now, user = timezone.now(), request.user
    back = local_path(request, request.POST.get("next") or request.GET.get("next", ""))
    form, status = FactorForm(request.POST or None), 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                factor_remember(request, factor_shown(request, user, form, now))
                request.session.pop(TRIES, None)
                minutes = int(MAX_AGE.total_seconds() // 60)
                messages.success(request, f"Second factor confirmed. It counts for {minutes} minutes.")
                return redirect(back or "console:mission")
            except Refused as error:
                if _is_spent(request):
                    return redirect("console:sign-in")
                form.add_error(None, error.message)
    return page(request, "stepup", {**factor_context(request, user, form), "back": back}, status=status)


def _is_spent(request: StaffRequest) -> bool:
    """After five wrong answers whoever sits there starts again with the password."""
    signing_in.failed(request, request.user)
    tries = request.session.get(TRIES, 0) + 1
    request.session[TRIES] = tries
    if tries < signing_in.TRIES:
        return False
    if row := sign_in_of(request.user, request.session.session_key):
        sign_in_end(row=row, because=SignInEnd.FACTOR, now=timezone.now(), actor=None)
    logout(request)
    return True
