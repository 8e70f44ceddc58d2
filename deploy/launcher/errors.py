"""What goes wrong around starting and stopping.

LauncherError
├── registry.AlreadyRunning
└── supervisor.ChildFailed
StopRequested
"""

from __future__ import annotations


class LauncherError(Exception):
    """Something the person at the terminal must know or do; printed without a traceback."""


class StopRequested(Exception):
    """Ctrl-C, SIGTERM or SIGHUP arrived; raised only where nothing is half done."""
