"""What the server side of a WebSocket can do to the line itself, below any frame."""

from __future__ import annotations

from typing import Protocol

EXTENSION = "exchange.line"
"""Name of the ASGI scope extension under which a server hands its line to the application."""


class Line(Protocol):
    """`silence` stops pings and pongs and leaves the socket open; `abort` breaks it without a closing handshake."""

    def silence(self) -> None: ...

    def abort(self) -> None: ...
