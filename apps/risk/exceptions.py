"""Why risk said no.

Refused
|- BadScope       unknown scope, or an id where none belongs, or none where one does
|- LimitMissing   a rule has no value for this order; without a limit nothing is sent
|- NotHalted      there is nothing to resume
`- WouldLoosen    the change would allow more than is allowed now; that needs an approval
Conflict
`- KillRunClosed  the run has already proved zero
"""

from __future__ import annotations

from apps.core.exceptions import Conflict, Refused


class BadScope(Refused):
    code = "bad_scope"


class LimitMissing(Refused):
    code = "limit_missing"


class NotHalted(Refused):
    code = "not_halted"


class WouldLoosen(Refused):
    code = "would_loosen"


class KillRunClosed(Conflict):
    code = "kill_run_closed"


class ChecklistOpen(Refused):
    """Somebody wants to resume without having confirmed every line of the checklist."""

    code = "checklist_open"
