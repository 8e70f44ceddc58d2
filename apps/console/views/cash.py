from __future__ import annotations

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.console.http import StaffRequest, before_key, console_page, page
from apps.console.ledger import cash_lines, positions_of, settlements_of
from apps.trading.selectors import CashState, Page, account_default, cash_list, cash_state


@require_safe
@console_page
def positions(request: StaffRequest) -> HttpResponse:
    """Positions, what markets settled at, and the cash walk that explains the balance."""
    account, with_over = account_default(), request.GET.get("over") == "on"
    found = cash_list(account=account, before=before_key(request)) if account else Page(())
    context = {
        "now": timezone.now(),
        "account": account,
        "with_over": with_over,
        "positions": positions_of(account=account, with_over=with_over) if account else None,
        "settlements": settlements_of(account=account) if account else (),
        "cash": cash_state(account=account) if account else CashState(),
        "found": found,
        "lines": cash_lines(account=account, rows=found.rows) if account else (),
    }
    return page(request, "console/positions.html", context)
