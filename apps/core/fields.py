"""Decimal columns with the engine's scales, so that no money is ever a float."""

from __future__ import annotations

from typing import Any

from django.db import models


class _ScaledDecimalField(models.DecimalField):
    digits = 20
    places = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_digits"] = self.digits
        kwargs["decimal_places"] = self.places
        super().__init__(*args, **kwargs)


class PriceField(_ScaledDecimalField):
    """Dollars per contract of the YES leg, 4 decimals."""

    digits = 6
    places = 4


class QuantityField(_ScaledDecimalField):
    """Contracts, 2 decimals."""

    digits = 18
    places = 2


class MoneyField(_ScaledDecimalField):
    """Dollars, 6 decimals."""

    digits = 20
    places = 6
