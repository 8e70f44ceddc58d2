"""Mission control in pieces, each replaced by its id; the same pieces for polling and for the socket."""

from __future__ import annotations

from django.template.loader import render_to_string

from .state import Mission

PARTS = ("banner", "status", "markets", "ladder", "orders", "fills", "positions", "decisions", "incidents", "announce")


def render_parts(mission: Mission) -> dict[str, str]:
    """HTML by part, marked for an out-of-band swap."""
    context = {"mission": mission, "now": mission.now, "oob": True}
    return {part: render_to_string(f"console/_mission_{part}.html", context).strip() for part in PARTS}
