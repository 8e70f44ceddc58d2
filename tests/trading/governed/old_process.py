"""A process of another release: reports as the web server until its input ends. Run as a subprocess."""

from __future__ import annotations

import sys

import django

django.setup()

from apps.core.processes import reporting  # noqa: E402  the settings come first

with reporting("web"):
    sys.stdout.write("reporting\n")
    sys.stdout.flush()
    sys.stdin.read()
