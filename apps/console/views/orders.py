from __future__ import annotations

from dataclasses import replace

from django.http import Http404, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.console.forms import OrderFilterForm
from apps.console.http import StaffRequest, before_key, console_page, is_fragment, page
from apps.console.order_lines import amends_of, denial_of, with_live
from apps.trading.models import Order, OrderRequest
from apps.trading.selectors import Page, account_default, fill_list, order_get, order_list


@require_safe
@console_page
def orders(request: StaffRequest) -> HttpResponse:
    """The blotter; what it is narrowed to stands in the address."""
    account, form = account_default(), OrderFilterForm(request.GET)
    found = order_list(account=account, narrowed=form.narrowed(), before=before_key(request)) if account else Page(())
    now = timezone.now()
    found = replace(found, rows=with_live(found.rows, now=now))
    context = {"now": now, "form": form, "found": found}
    return page(request, "console/_orders_table.html" if is_fragment(request) else "console/orders.html", context)


@require_safe
@console_page
def order(request: StaffRequest, client_order_id: str) -> HttpResponse:
    """One order's life, from the decision it came from to its end."""
    try:
        detail = order_get(client_order_id=client_order_id)
    except Order.DoesNotExist as missing:
        raise Http404 from missing
    now = timezone.now()
    (row,) = with_live((detail.order,), now=now)
    context = {
        "now": now,
        "detail": replace(detail, order=row),
        "denial": denial_of(detail),
        "amends": amends_of(detail),
        "asked": OrderRequest.objects.filter(order__client_order_id=client_order_id)
        .select_related("requested_by")
        .first(),
    }
    return page(request, "console/order.html", context)


@require_safe
@console_page
def fills(request: StaffRequest) -> HttpResponse:
    account = account_default()
    found = fill_list(account=account, before=before_key(request)) if account else Page(())
    return page(request, "console/fills.html", {"now": timezone.now(), "found": found})
