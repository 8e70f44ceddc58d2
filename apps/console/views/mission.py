from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.console.forms import KillForm
from apps.console.fragments import render_parts
from apps.console.http import StaffRequest, console_page, is_fragment, page
from apps.console.mission import mission_build
from apps.console.stopping import simple_choices


@require_safe
@console_page
def mission(request: StaffRequest) -> HttpResponse:
    """The page; asked by htmx, the pieces that polling swaps in."""
    selected, query = request.GET.get("market", ""), request.GET.get("q", "")
    built = mission_build(selected=selected, query=query, now=timezone.now())
    if is_fragment(request):
        return HttpResponse("\n".join(render_parts(built).values()))
    return page(
        request,
        "console/mission.html",
        {
            "mission": built,
            "now": built.now,
            "approvals_open": built.facts.approvals_open,
            "environment": built.live.environment,
            "socket_query": urlencode({"market": selected, "q": query}),
            "kill_form": KillForm(
                choices=simple_choices(account=built.live.account, market=built.selected), auto_id="kill_%s"
            ),
        },
    )
