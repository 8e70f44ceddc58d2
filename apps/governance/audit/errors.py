"""What can be wrong with the record itself.

Conflict
`- AuditBlocked       the head and the rows do not fit together, so nothing can be added
Refused
`- AuditKeyUnusable   the key that signs heads cannot be used, or is not the one that signed before
"""

from __future__ import annotations

from apps.core.exceptions import Conflict, Refused


class AuditBlocked(Conflict):
    code = "audit_blocked"


class AuditKeyUnusable(Refused):
    code = "audit_key_unusable"
