from __future__ import annotations

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.console.guards import SWITCH_BOUND_S
from apps.console.http import StaffRequest, console_page, is_fragment, page
from apps.console.risk_state import risk_build
from apps.console.switch_lines import switch_lines
from apps.trading.selectors import account_default


@require_safe
@console_page
def risk(request: StaffRequest) -> HttpResponse:
    """The tree of limits with its use, the trading states, and what may not be traded."""
    with_quiet = request.GET.get("all") == "on"
    context = {
        "now": timezone.now(),
        "risk": risk_build(account=account_default(), with_quiet=with_quiet),
        "with_quiet": with_quiet,
    }
    return page(request, "console/_risk_body.html" if is_fragment(request) else "console/risk.html", context)


@require_safe
@console_page
def switches(request: StaffRequest) -> HttpResponse:
    """Every automatic stop: what it looks at, what it sees now, and when it was last tried."""
    now, account = timezone.now(), account_default()
    context = {"now": now, "lines": switch_lines(account=account, now=now), "bound_s": SWITCH_BOUND_S}
    return page(request, "console/_switches_table.html" if is_fragment(request) else "console/switches.html", context)
