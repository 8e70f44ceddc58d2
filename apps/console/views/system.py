from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.templatetags.static import static
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from apps.analytics.models import MetricExport
from apps.analytics.services import liquidity_export
from apps.console.forms import ExportForm
from apps.console.http import StaffRequest, before_key, console_page, is_fragment, page, public_page, status_of
from apps.core.exceptions import ApplicationError
from apps.governance.choices import AccessPermission, Severity
from apps.governance.models import SystemEvent
from apps.marketdata.selectors import feed_list
from apps.trading.selectors import Page, account_default

EVENTS_SHOWN = 100
EXPORTS_SHOWN = 30


@require_safe
@public_page
def favicon(request: HttpRequest) -> HttpResponse:
    """Browsers ask for this by itself on pages that name no icon, the sign-in page among them."""
    return HttpResponseRedirect(static("console/icon.svg"))


@require_safe
@console_page
def feeds(request: StaffRequest) -> HttpResponse:
    now = timezone.now()
    context = {"now": now, "feeds": feed_list(now=now)}
    return page(request, "console/_feeds_table.html" if is_fragment(request) else "console/feeds.html", context)


@require_safe
@console_page
def events(request: StaffRequest) -> HttpResponse:
    """What the platform noticed, newest first."""
    rows, severity = SystemEvent.objects.all(), request.GET.get("severity", "")
    if severity in Severity.values:
        rows = rows.filter(severity=severity)
    if before := before_key(request):
        rows = rows.filter(pk__lt=before)
    found = list(rows[: EVENTS_SHOWN + 1])
    older = found[EVENTS_SHOWN - 1].pk if len(found) > EVENTS_SHOWN else None
    context = {
        "now": timezone.now(),
        "found": Page(tuple(found[:EVENTS_SHOWN]), older),
        "severity": severity,
        "severities": Severity.choices,
    }
    return page(request, "console/events.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(post=AccessPermission.EXPORT_METRICS.full)
def exports(request: StaffRequest) -> HttpResponse:
    """A POST makes a new liquidity CSV, records it and sends it."""
    now, account = timezone.now(), account_default()
    form = ExportForm(request.POST or None, initial={"account": account.pk if account else None})
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            start, end = form.window(now)
            try:
                name, content = liquidity_export(
                    account=form.cleaned_data["account"],
                    window_start=start,
                    window_end=end,
                    actor=request.user,
                    now=now,
                )
                return HttpResponse(
                    content,
                    content_type="text/csv; charset=utf-8",
                    headers={"Content-Disposition": f'attachment; filename="{name}"'},
                )
            except ApplicationError as error:
                form.add_error(None, error.message)
                status = status_of(error)
    taken = MetricExport.objects.select_related("created_by")[:EXPORTS_SHOWN]
    return page(request, "console/exports.html", {"now": now, "form": form, "exports": taken}, status=status)
