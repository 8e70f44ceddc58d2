"""Who may open which page of the console, written down a second time: the first is at each view.

A new page needs a line here. `LOOK` pages take nothing; a form needs the right beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

EVERYBODY: tuple[str, ...] = ()
# A right that no role and no table gives.
NOBODY = ("nobody.may",)


@dataclass(frozen=True, slots=True)
class Needs:
    """Rights to look and to send; each may name alternatives with "|". `send` None: nothing can be sent."""

    look: tuple[str, ...]
    send: tuple[str, ...] | None
    is_public: bool = False
    is_known: bool = True


_SEE = "governance.see_everything"
SEE = Needs((_SEE,), (_SEE,))
LOOK = Needs((_SEE,), None)
OWN = Needs(EVERYBODY, EVERYBODY)
PUBLIC = Needs(EVERYBODY, EVERYBODY, is_public=True)

_PUBLIC = ("sign-in", "sign-in-factor", "sign-in-password", "sign-in-enrol")
_OWN = (
    "security",
    "security-codes",
    "security-elsewhere",
    "security-factor",
    "security-factor-remove",
    "security-password",
    "sign-out",
    "step-up",
)
_LOOK = (
    "approvals",
    "audit",
    "compliance",
    "compliance-check",
    "events",
    "feeds",
    "fills",
    "kill-run",
    "market",
    "mission",
    "order",
    "orders",
    "parameters",
    "positions",
    "proposal",
    "proposals",
    "risk",
    "strategies",
    "strategy",
    "switches",
)
# What is sent here changes only what is the sender's own or nothing at all, or the service decides by the object.
_SEND_ANY = ("approval-withdraw", "audit-verify", "compliance-acknowledge", "compliance-attest")
_SEND = {
    "governance.approve_change": ("approval", "approval-countersign", "proposal-choose", "reviews"),
    "governance.break_glass": ("approval-break-glass",),
    "governance.export_audit": ("audit-export",),
    "governance.export_metrics": ("exports",),
    "governance.propose_change": (
        "approval-edit",
        "parameters-propose",
        "parameters-template",
        "signoff-rules",
        "strategy-arm",
        "strategy-fallback",
        "strategy-review",
        "strategy-scope",
        "strategy-waive",
    ),
    "governance.publish_terms": ("compliance-flag", "compliance-terms"),
    "governance.work_incidents": ("incident", "incident-action", "incidents", "lessons"),
    "governance.write_comment": ("comment",),
    "risk.resume_trading": ("resume",),
    "risk.trip_kill_switch": ("kill", "strategy-off"),
    "trading.place_order": ("manual", "manual-cancel"),
}
# Forms that are of no use to whoever may not send them.
_WRITE = "governance.write_proposal"
_WRITE_PAGES = (
    "proposal-ask",
    "proposal-close",
    "proposal-edit",
    "proposal-evidence",
    "proposal-fallback",
    "proposal-new",
    "proposal-option",
    "proposal-option-new",
    "proposal-result",
    "proposal-slot",
    "proposal-submit",
    "proposal-watch",
    "proposal-work",
    "proposal-work-done",
    "proposal-work-new",
)


def table() -> dict[str, Needs]:
    """By URL name, or by route where a URL has no name."""
    console = {
        **dict.fromkeys(_PUBLIC, PUBLIC),
        **dict.fromkeys(_OWN, OWN),
        **dict.fromkeys(_LOOK, LOOK),
        **dict.fromkeys(_SEND_ANY, SEE),
        **{name: Needs((_SEE,), (_SEE, right)) for right, names in _SEND.items() for name in names},
        **dict.fromkeys(_WRITE_PAGES, Needs((_WRITE,), (_WRITE,))),
    }
    return {
        "admin/login/": PUBLIC,
        "admin/logout/": OWN,
        "admin/password_change/": OWN,
        "console:": PUBLIC,  # favicon.ico
        **{f"console:{name}": needs for name, needs in console.items()},
    }
