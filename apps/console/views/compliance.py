from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from apps.analytics.models import LiquidityCheckRun
from apps.console.compliance_forms import AttestationForm, ReviewForm, ServiceForm, TermsForm
from apps.console.http import SEE, StaffRequest, console_page, page, status_of
from apps.core.exceptions import ApplicationError
from apps.core.permissions import is_holder
from apps.governance.choices import CompliancePermission
from apps.governance.compliance_selectors import (
    attestation_in_force,
    terms_in_force,
    terms_missing,
    terms_people,
    wording_flags,
)
from apps.governance.models import TermsVersion, WordingFlag
from apps.governance.services.attestations import attestation_make
from apps.governance.services.terms import terms_acknowledge, terms_publish
from apps.governance.services.wording import wording_review
from apps.risk.models import RestrictedMarket
from apps.risk.services.restrictions import restriction_add

PUBLISH = CompliancePermission.PUBLISH_TERMS.full
CHECKS_SHOWN, FLAGS_SHOWN = 20, 50


@require_safe
@console_page
def compliance(request: StaffRequest) -> HttpResponse:
    """Terms, my attestation, what is restricted, wording flags and liquidity checks."""
    return _page(request)


@require_safe
@console_page
def liquidity_check(request: StaffRequest, key: int) -> HttpResponse:
    """One run of the eight checks."""
    run = get_object_or_404(LiquidityCheckRun, pk=key)
    return page(request, "console/compliance_check.html", {"now": timezone.now(), "run": run})


@require_POST
@console_page(post=SEE)
def acknowledge(request: StaffRequest, key: int) -> HttpResponse:
    """I have read the terms in force and keep to them."""
    get_object_or_404(TermsVersion, pk=key)
    form = ServiceForm(request.POST)
    return _sent(request, "acknowledge", form, lambda who: terms_acknowledge(version_id=key, **who))


@require_POST
@console_page(post=SEE)
def attest(request: StaffRequest) -> HttpResponse:
    """Where I work, and what is closed to me because of it."""
    form = AttestationForm(request.POST, auto_id="attest-%s")
    return _sent(
        request, "attest", form, lambda who: attestation_make(**form.cleaned_data, restrict=restriction_add, **who)
    )


@require_POST
@console_page(post=PUBLISH)
def publish(request: StaffRequest) -> HttpResponse:
    """The next version of the terms."""
    form = TermsForm(request.POST, auto_id="terms-%s")

    def call(who: dict[str, Any]) -> object:
        title, text = form.cleaned_data["title"], form.cleaned_data["text"]
        return terms_publish(title=title, text=text, valid_from=form.valid_from(who["now"]), **who)

    return _sent(request, "terms", form, call)


@require_POST
@console_page(post=PUBLISH)
def review(request: StaffRequest, key: int) -> HttpResponse:
    """Somebody has looked at a wording flag."""
    get_object_or_404(WordingFlag, pk=key)
    form = ReviewForm(request.POST, auto_id=f"review{key}-%s")
    return _sent(request, "review", form, lambda who: wording_review(flag_id=key, **form.cleaned_data, **who))


def _sent(
    request: StaffRequest, name: str, form: ServiceForm, call: Callable[[dict[str, Any]], object]
) -> HttpResponse:
    """Back to the page when the service has taken it, else the page with what is wrong at its form."""
    status = 422
    if form.is_valid():
        try:
            call({"actor": request.user, "now": timezone.now()})
            return redirect("console:compliance")
        except ApplicationError as error:
            form.add_service_error(error)
            status = status_of(error)
    return _page(request, status=status, **{name: form})


def _page(request: StaffRequest, *, status: int = 200, **forms: ServiceForm) -> HttpResponse:
    now, me = timezone.now(), request.user
    version = terms_in_force(now=now)
    mine = attestation_in_force(me, now=now)
    context = {
        "now": now,
        "version": version,
        "is_missing": terms_missing(me, now=now) is not None,
        "people": terms_people(version=version, now=now),
        "attestation": mine,
        "restricted": RestrictedMarket.objects.filter(Q(user=me) | Q(user=None), lifted_at=None).select_related(
            "user", "added_by"
        ),
        "flags": wording_flags(limit=FLAGS_SHOWN),
        "checks": LiquidityCheckRun.objects.all()[:CHECKS_SHOWN],
        "may_publish": is_holder(me, PUBLISH),
        "acknowledge_form": forms.get("acknowledge"),
        "attest_form": forms.get("attest")
        or AttestationForm(auto_id="attest-%s", initial={"employer": mine.employer if mine else ""}),
        "terms_form": forms.get("terms") or TermsForm(auto_id="terms-%s"),
        "review_form": forms.get("review"),
    }
    return page(request, "console/compliance.html", context, status=status)
