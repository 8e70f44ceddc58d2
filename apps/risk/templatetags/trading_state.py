"""The trading state for the top of the admin's index page."""

from __future__ import annotations

from typing import Any

from django import template
from django.urls import NoReverseMatch, reverse

from apps.risk.choices import Permission, State
from apps.risk.selectors import kill_run_latest, states_restricting

register = template.Library()


@register.inclusion_tag("admin/risk/_trading_state.html", takes_context=True)
def trading_state(context: dict[str, Any]) -> dict[str, Any]:
    user = context["request"].user
    rows = states_restricting()
    return {
        "rows": rows,
        "is_halted": any(row.state == State.HALTED for row in rows),
        "kill_run": kill_run_latest(),
        "may_halt": user.has_perm(Permission.TRIP_KILL_SWITCH.full),
        "halt_url": reverse("admin:risk_tradingstate_halt"),
        "mission_url": _mission_url(),
    }


def _mission_url() -> str | None:
    try:
        return reverse("console:mission")
    except NoReverseMatch:
        return None
