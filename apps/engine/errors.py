"""Errors of the engine.

EngineError
|- DataCorrupt          a number or sequence that cannot be trusted; stop quoting, resynchronise
|  |- BadNumber         NaN, infinite, out of range, or not on the unit's scale
|  |- OffGridPrice      not on the market's own price grid
|  |- NegativeLevel     a delta took a level below zero
|  |- CrossedBook       best bid at or above best ask
|  `- SequenceGap       frames of a subscription are missing
|- UnknownFeeType       no formula for this fee type; refuse to trade
|- InvalidTransition    this event cannot follow this order status
`- InvariantBroken      our own bug; stop the process
"""

from __future__ import annotations


class EngineError(Exception):
    """Root of every error the engine raises."""


class DataCorrupt(EngineError):
    """The input cannot be trusted."""


class BadNumber(DataCorrupt, ValueError):
    """Not a finite number of the expected scale and range."""


class OffGridPrice(DataCorrupt):
    """The price is not on the market's grid."""


class NegativeLevel(DataCorrupt):
    """A delta took a book level below zero."""


class CrossedBook(DataCorrupt):
    """Best bid at or above best ask."""


class SequenceGap(DataCorrupt):
    """Frames of a subscription are missing."""


class UnknownFeeType(EngineError):
    """No formula is known for this fee type."""


class InvalidTransition(EngineError):
    """This event cannot follow this order status."""


class InvariantBroken(EngineError):
    """A rule the code itself guarantees does not hold."""
