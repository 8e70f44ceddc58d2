"""The process-wide wish to stop; long-lived sessions look at it and end in order."""

from __future__ import annotations

import threading

stopping = threading.Event()
