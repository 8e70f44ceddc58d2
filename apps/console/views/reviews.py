from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from apps.console.approval_forms import SignoffForm
from apps.console.forms import ReasonForm
from apps.console.http import StaffRequest, console_page, page, status_of
from apps.console.words import REQUESTS
from apps.core.exceptions import ApplicationError
from apps.core.permissions import is_holder
from apps.governance.choices import Permission
from apps.governance.handlers import actions
from apps.governance.selectors import review_list, signoff_is_as_signed, signoff_rule_list
from apps.governance.services import review_close, signoff_change_request
from apps.governance.signoff_handler import approving_roles, built_in_rules

APPROVE, PROPOSE = Permission.APPROVE_CHANGE.full, Permission.PROPOSE_CHANGE.full
REVIEWED_SHOWN = 30


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(post=APPROVE)
def reviews(request: StaffRequest) -> HttpResponse:
    """What one person did alone, as they may; another says here that they looked at it. `item` of a POST names it."""
    now, form, status, item = timezone.now(), ReasonForm(request.POST or None), 200, request.POST.get("item", "")
    if request.method == "POST":
        status = 422
        if form.is_valid() and item.isascii() and item.isdigit():
            try:
                review_close(review_id=int(item), note=form.cleaned_data["reason"], actor=request.user, now=now)
                return redirect("console:reviews")
            except ApplicationError as error:
                form.add_error(None, error.message)
                status = status_of(error)
    context = {
        "now": now,
        "open": list(review_list(is_open=True)),
        "done": review_list(is_open=False)[:REVIEWED_SHOWN],
        "may_review": is_holder(request.user, APPROVE),
        "form": form,
        "item": item,
    }
    return page(request, "console/reviews.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(post=PROPOSE)
def signoff_rules(request: StaffRequest) -> HttpResponse:
    """Whose signatures changes need; a POST asks for a rule and needs the signatures in force until then."""
    now, status = timezone.now(), 200
    form = SignoffForm(request.POST or None, actions=_patterns(), roles=approving_roles())
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                asked = signoff_change_request(
                    action=form.cleaned_data["action"],
                    environment=form.cleaned_data["environment"],
                    direction=form.cleaned_data["direction"],
                    needs=form.needs(),
                    reason=form.cleaned_data["reason"],
                    actor=request.user,
                    now=now,
                )
                return redirect("console:approval", asked.pk)
            except ApplicationError as error:
                form.add_error(None, error.message)
                status = status_of(error)
    context = {
        "now": now,
        "built_in": built_in_rules(),
        "rules": list(signoff_rule_list()),
        "is_as_signed": signoff_is_as_signed(),
        "may_propose": is_holder(request.user, PROPOSE),
        "form": form,
    }
    return page(request, "console/signoff_rules.html", context, status=status)


def _patterns() -> list[tuple[str, str]]:
    """Every change, those of one app, and each by itself."""
    known = sorted(actions())
    families = sorted({f"{action.split('.')[0]}.*" for action in known})
    return [
        ("*", "Every change"),
        *((family, f"All of {family.removesuffix('.*')}") for family in families),
        *((action, f"{REQUESTS.get(action, action)} ({action})") for action in known),
    ]
