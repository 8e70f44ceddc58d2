from __future__ import annotations

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.console.http import StaffRequest, before_key, console_page, page
from apps.trading.selectors import CashState, Page, account_default, cash_list, cash_state, position_list


@require_safe
@console_page
def positions(request: StaffRequest) -> HttpResponse:
    """Positions and the cash walk that explains the balance."""
    account = account_default()
    context = {
        "now": timezone.now(),
        "account": account,
        "positions": position_list(account=account, include_flat=True) if account else (),
        "cash": cash_state(account=account) if account else CashState(),
        "found": cash_list(account=account, before=before_key(request)) if account else Page(()),
    }
    return page(request, "console/positions.html", context)
