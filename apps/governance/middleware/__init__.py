"""What stands before every view: the headers, the sign-in, and the right to open it."""

from __future__ import annotations

from .access import AccessMiddleware
from .headers import HeadersMiddleware
from .signed_in import SignedInMiddleware

__all__ = ["AccessMiddleware", "HeadersMiddleware", "SignedInMiddleware"]
