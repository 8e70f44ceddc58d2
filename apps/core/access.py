"""What every view says about itself: who may open it. A view that says nothing is refused.

`apps/governance/middleware/access.py` holds every request to it; the admin says it per model instead.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])
_ATTRIBUTE = "access"


@dataclass(frozen=True, slots=True)
class Access:
    """`right` ("app.codename") is needed to look, `post` besides it to send the page's form.

    Without `right` everybody who is signed in may look; without `post` nothing may be sent, except to a page that is
    everybody's own (`is_own`): it changes nothing but what belongs to the person.
    """

    right: str | None = None
    post: str | None = None
    is_own: bool = False
    is_public: bool = False


PUBLIC = Access(is_public=True)
OWN = Access(is_own=True)


def declare(view: View, access: Access) -> View:
    setattr(view, _ATTRIBUTE, access)
    return view


def access_of(view: Callable[..., Any]) -> Access | None:
    """What the view declares; decorators that wrap properly carry it along. None: nothing was declared."""
    return getattr(view, _ATTRIBUTE, None)
