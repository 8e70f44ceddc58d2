from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from apps.console.forms import ManualOrderForm
from apps.console.http import StaffRequest, console_page, is_fragment, page, status_of
from apps.core.exceptions import ApplicationError
from apps.core.permissions import is_holder
from apps.trading.choices import Permission, RequestState
from apps.trading.models import OrderRequest
from apps.trading.selectors import account_default
from apps.trading.services.manual_orders import order_request_cancel, order_request_place

REQUESTS_SHOWN = 40
ENDED = (RequestState.DENIED, RequestState.DONE)


@require_http_methods(["GET", "HEAD", "POST"])
@console_page(post=Permission.PLACE_ORDER.full)
def manual(request: StaffRequest) -> HttpResponse:
    """Asks the session for an order; it passes the same gate as every other."""
    initial = {"market": request.GET.get("market", "")}
    form, status = ManualOrderForm(request.POST or None, initial=initial), 200
    account = account_default()
    if request.method == "POST":
        status = 422
        if account is None:
            form.add_error(None, "No account is set up")
        elif form.is_valid():
            try:
                order_request_place(
                    account=account,
                    wanted=form.wanted(),
                    reason=form.cleaned_data["reason"],
                    no_inside_information=form.cleaned_data["no_inside_information"],
                    actor=request.user,
                    now=timezone.now(),
                )
                return redirect("console:manual")
            except ApplicationError as error:
                _add_error(form, error)
                status = status_of(error)
    return _page(request, form, status)


@require_POST
@console_page(post=Permission.PLACE_ORDER.full)
def manual_cancel(request: StaffRequest, key: int) -> HttpResponse:
    """Takes a request back, or its order off."""
    form, status = ManualOrderForm(), 422
    try:
        order_request_cancel(request_id=key, actor=request.user, now=timezone.now())
        return redirect("console:manual")
    except OrderRequest.DoesNotExist:
        return HttpResponse("There is no such request", status=404, content_type="text/plain")
    except ApplicationError as error:
        status = status_of(error)
        return _page(request, form, status, problem=error.message)


def _page(request: StaffRequest, form: ManualOrderForm, status: int, *, problem: str = "") -> HttpResponse:
    context = {
        "now": timezone.now(),
        "form": form,
        "requests": _requests(),
        "may_place": is_holder(request.user, Permission.PLACE_ORDER.full),
        "ended": ENDED,
        "problem": problem,
    }
    template = "console/_manual_requests.html" if is_fragment(request) else "console/manual.html"
    return page(request, template, context, status=status)


def _requests() -> QuerySet[OrderRequest]:
    rows = OrderRequest.objects.filter(account=account_default())
    return rows.select_related("market", "requested_by", "order")[:REQUESTS_SHOWN]


def _add_error(form: ManualOrderForm, error: ApplicationError) -> None:
    """At the field the service names, else above the form."""
    field = getattr(error, "extra", {}).get("field")
    form.add_error(field if field in form.fields else None, error.message)
