"""Every parameter by the name people use for it: unit, default, bounds, direction of risk, and who reads it.

The names are the team's own register. A name that a kernel reads is another way to write a field of that kernel; one
that no kernel reads yet is stored with the set and says so. Names that live elsewhere (limits, switches, the platform)
are listed with their place and cannot be put into a parameter set, so that no value has two homes.
"""

from __future__ import annotations

from .categories import CATEGORIES, category_of, name_in
from .entries import CATALOG, RETIRED, RISK_SIGN, entry, field_bounds, must_be_set, resolve
from .model import BadCatalogValue, CatalogEntry, CatalogUnit, Home, Tombstone, UnknownName
from .reads import Reads, kernel_name, reads_of

__all__ = [
    "CATALOG",
    "CATEGORIES",
    "RETIRED",
    "RISK_SIGN",
    "BadCatalogValue",
    "CatalogEntry",
    "CatalogUnit",
    "Home",
    "Reads",
    "Tombstone",
    "UnknownName",
    "category_of",
    "entry",
    "field_bounds",
    "kernel_name",
    "must_be_set",
    "name_in",
    "reads_of",
    "resolve",
]
