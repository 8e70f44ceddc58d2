"""Who may do what: role (group) to rights. `manage.py sync_roles` makes the database match this table.

Nobody may approve a request of their own, whatever their role; see `apps/governance/services/approvals.py`.
"""

from __future__ import annotations

from apps.governance.choices import Permission as Governance
from apps.risk.choices import Permission as Risk
from apps.trading.choices import Permission as Trading

_STOP = {Risk.TRIP_KILL_SWITCH.full}
_PROPOSE = {
    Governance.PROPOSE_CHANGE.full,
    Risk.RESUME_TRADING.full,
    f"trading.{Trading.OPERATE_SESSION}",
    Trading.PLACE_ORDER.full,
}
_APPROVE = {Governance.APPROVE_CHANGE.full}
_APPROVE_RAISE = {Governance.APPROVE_RISK_RAISE.full}

# What may be looked at. Sessions, content types and the admin's own log are nobody's business screens.
VIEWED_APPS = ("core", "governance", "marketdata", "risk", "trading", "simulation", "analytics", "console")
VIEWED_MODELS = ("auth.view_user", "auth.view_group")

RIGHTS: dict[str, set[str]] = {
    "viewer": _STOP,
    "trader": _STOP | _PROPOSE,
    "operations": _STOP | _PROPOSE | _APPROVE,
    "boss": _STOP | _PROPOSE | _APPROVE | _APPROVE_RAISE,
    "risk": _STOP | {Risk.RESUME_TRADING.full} | _APPROVE,
    "technical_admin": _STOP | {"auth.add_user", "auth.change_user"},
}


def roles() -> dict[str, set[str]]:
    """The table with every role's right to look at everything but secrets; needs the apps to be loaded."""
    from django.apps import apps

    seen = {
        f"{model._meta.app_label}.view_{model._meta.model_name}"
        for model in apps.get_models()
        if model._meta.app_label in VIEWED_APPS
    } | set(VIEWED_MODELS)
    return {role: rights | seen for role, rights in RIGHTS.items()}
