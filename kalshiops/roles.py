"""Who may do what: role (group) to rights. `manage.py sync_roles` makes the database match this table.

Nobody may approve a request of their own, whatever their role; see `apps/governance/services/approvals.py`.
"""

from __future__ import annotations

from apps.governance.choices import AccessPermission as Access
from apps.governance.choices import CompliancePermission as Compliance
from apps.governance.choices import Permission as Governance
from apps.governance.choices import ProposalPermission as Proposal
from apps.risk.choices import Permission as Risk
from apps.trading.choices import Permission as Trading

# One name per line of the table of rights.
_SEE = {Access.SEE.full, Access.EXPORT_METRICS.full}
_STOP = {Risk.TRIP_KILL_SWITCH.full}
_WORK = {Compliance.WORK_INCIDENTS.full, Proposal.COMMENT.full}
_PROPOSE = {Governance.PROPOSE_CHANGE.full, Proposal.WRITE.full}
_TRADE = {Trading.OPERATE_SESSION.full, Trading.PLACE_ORDER.full}
_ASK_TO_RESUME = {Risk.RESUME_TRADING.full}
# What each role's signature is good for is in the table of rules: see `apps/governance/models/signoff.py`.
_SIGN = {Governance.APPROVE_CHANGE.full}
_SIGN_RAISE = {Governance.APPROVE_RISK_RAISE.full}
_GLASS = {Governance.BREAK_GLASS.full}
_DIRECT = {Proposal.CHOOSE.full}
_TERMS = {Compliance.PUBLISH_TERMS.full}
_AUDIT = {Access.EXPORT_AUDIT.full}
_PEOPLE = {Access.MANAGE_PEOPLE.full, "auth.add_user", "auth.change_user"}

RIGHTS: dict[str, set[str]] = {
    "viewer": _SEE | _STOP,
    "trader": _SEE | _STOP | _WORK | _PROPOSE | _TRADE | _ASK_TO_RESUME,
    "operations": _SEE | _STOP | _WORK | _PROPOSE | _TRADE | _ASK_TO_RESUME | _SIGN | _GLASS,
    "risk": _SEE | _STOP | _WORK | _PROPOSE | _SIGN | _SIGN_RAISE | _TERMS | _AUDIT,
    "boss": _SEE | _STOP | _WORK | _PROPOSE | _TRADE | _SIGN | _SIGN_RAISE | _GLASS | _DIRECT | _TERMS | _AUDIT,
    "technical_admin": _SEE | _STOP | _WORK | _PEOPLE,
}

# What may be looked at in the admin. Sessions, content types and the admin's own log are nobody's business screens.
VIEWED_APPS = ("core", "governance", "marketdata", "risk", "trading", "simulation", "analytics", "console")
PEOPLE_MODELS = {
    "auth.view_user",
    "auth.view_group",
    "governance.view_onetimepassword",
    "governance.view_recoverycode",
    "governance.view_signin",
}
SEES_PEOPLE = ("risk", "boss", "technical_admin")


def roles() -> dict[str, set[str]]:
    """The table with every role's right to look at everything but secrets; needs the apps to be loaded."""
    from django.apps import apps

    seen = {
        f"{model._meta.app_label}.view_{model._meta.model_name}"
        for model in apps.get_models()
        if model._meta.app_label in VIEWED_APPS
    } - PEOPLE_MODELS
    return {role: rights | seen | (PEOPLE_MODELS if role in SEES_PEOPLE else set()) for role, rights in RIGHTS.items()}
