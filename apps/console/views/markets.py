from __future__ import annotations

from django.http import Http404, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.console.decisions import decision_groups
from apps.console.http import StaffRequest, console_page, is_fragment, page
from apps.console.ladder import ladder_build, published_at
from apps.console.ledger import OVER
from apps.console.order_lines import with_live
from apps.marketdata.exceptions import MarketUnknown
from apps.marketdata.selectors import market_get
from apps.trading.selectors import (
    OrderFilter,
    account_default,
    fill_list,
    order_list,
    orders_open,
    position_list,
)


@require_safe
@console_page
def market(request: StaffRequest, ticker: str) -> HttpResponse:
    """One market: its ladder, and what we decided, ordered and filled in it."""
    try:
        found = market_get(ticker=ticker)
    except MarketUnknown as unknown:
        raise Http404 from unknown
    account = account_default()
    orders = orders_open(account=account, ticker=ticker) if account else ()
    now = timezone.now()
    found_orders = order_list(account=account, narrowed=OrderFilter(market=ticker), limit=40).rows if account else ()
    context = {
        "now": now,
        "market": found,
        "ladder": ladder_build(ticker=ticker, title=found.title, orders=orders, published_at=published_at()),
        "decisions": decision_groups(account=account, ticker=ticker, limit=40),
        "settlement": found.settlements.filter(account=account).first() if account else None,
        "is_over": found.status in OVER,
        "orders": with_live(found_orders, now=now),
        "fills": fill_list(account=account, ticker=ticker, limit=40).rows if account else (),
        "position": next((p for p in position_list(account=account) if p.ticker == ticker), None) if account else None,
    }
    return page(request, "console/_market_body.html" if is_fragment(request) else "console/market.html", context)
