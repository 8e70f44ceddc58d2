"""Ports and readiness on the loopback interface."""

from __future__ import annotations

import http.client
import socket

LOOPBACK = "127.0.0.1"


def free_port(preferred: int | None = None, *, tries: int = 50) -> int:
    """`preferred` or the next free one above it; any free port without a preference."""
    if preferred is None:
        return _bindable(0) or free_port(tries=tries)
    for port in range(preferred, min(preferred + tries, 65536)):
        if _bindable(port):
            return port
    return free_port()


def _bindable(port: int) -> int:
    """The port bound, 0 if it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return 0
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1):
            return True
    except OSError:
        return False


def answers(port: int, path: str) -> bool:
    """True once an HTTP server there answers `path` without a server error."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        connection.request("GET", path, headers={"Host": f"{LOOPBACK}:{port}"})
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def redis_answers(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
