"""Property tests run without a clock: the machine may be busy, and the first call compiles."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("engine", deadline=None, database=None)
settings.load_profile("engine")
