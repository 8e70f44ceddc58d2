"""Where an object of the admin is found elsewhere: in the audit trail, and on its own page of the console."""

from __future__ import annotations

from functools import reduce
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode

ConsolePage = tuple[str, str]
"""A URL name and the attribute of the object that it takes: "pk", or over a relation, "order.client_order_id".

Empty for the page of all of its kind.
"""


def audit_href(obj: Any) -> str:
    """The audit page, narrowed to this object."""
    return f"{reverse('console:audit')}?{urlencode({'object': f'{obj._meta.label}:{obj.pk}'})}"


def console_href(page: ConsolePage | None, obj: Any) -> str | None:
    """The object's page in the console; None where its kind, or this one, has none."""
    if page is None:
        return None
    name, path = page
    if not path:
        return reverse(name)
    value = reduce(lambda found, step: getattr(found, step, None), path.split("."), obj)
    return None if value in (None, "") else reverse(name, args=[value])
