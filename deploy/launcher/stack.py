"""The platform's processes: their commands, when each is ready, and the order in which they stop."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from . import redis_server
from .network import LOOPBACK, accepts, answers, redis_answers
from .plan import Plan
from .supervisor import Program

# Nothing new is started first, then the workers finish their orders, and only then goes what they need for it.
_STAGE_FRONT, _STAGE_WORKERS, _STAGE_GUARDIAN, _STAGE_EXCHANGE, _STAGE_REDIS = range(5)
_WORKERS = {
    "trading": ("-P", "solo"),
    "ingest": ("-P", "threads", "-c", "3"),
    "default": ("-P", "threads", "-c", "4"),
}
QUEUES = tuple(_WORKERS)
WORKING = ("web", "beat", *QUEUES)
_HEALTH_PATH = "/sign-in/"


def manage(plan: Plan, *arguments: str) -> list[str]:
    return [sys.executable, str(plan.root / "manage.py"), *arguments]


def foundations(plan: Plan) -> list[Program]:
    """What the platform stands on: the private Redis and the simulated exchange, unless a team brings its own."""
    programs = []
    if (redis_port := plan.redis_port) is not None:
        programs.append(
            Program(
                "redis",
                redis_server.command(redis_port, plan.run_dir),
                _STAGE_REDIS,
                lambda _: redis_answers(redis_port),
                stop_timeout_s=5,
            )
        )
    if (exchange_port := plan.exchange_port) is not None:
        programs.append(
            Program("exchange", _exchange(plan, exchange_port), _STAGE_EXCHANGE, lambda _: accepts(exchange_port))
        )
    return programs


def workers(plan: Plan) -> list[Program]:
    """The guardian, Celery's workers and beat, and the web server; all of them need a migrated database.

    The guardian comes first, since no session arms without one, and goes after the workers, which it watches.
    """
    programs = [Program("guardian", manage(plan, "run_guardian"), _STAGE_GUARDIAN, _says(r"guardian watches"))]
    programs += [
        Program(
            name,
            _celery("worker", "-n", f"{name}@%h", "-Q", name, *pool, "--without-mingle", "--without-gossip"),
            _STAGE_WORKERS,
            _says(r"\bready\.$"),
            stop_timeout_s=30,
        )
        for name, pool in _WORKERS.items()
    ]
    programs.append(Program("beat", _celery("beat"), _STAGE_FRONT, _says(r"beat: Starting"), stop_timeout_s=10))
    programs.append(
        Program("web", _web(plan), _STAGE_FRONT, lambda _: answers(plan.web_port, _HEALTH_PATH), stop_timeout_s=10)
    )
    return programs


def _exchange(plan: Plan, port: int) -> list[str]:
    options = {
        "--port": str(port),
        "--key-id": plan.environment["KALSHI_KEY_ID"],
        "--public-key": str(plan.public_key),
        "--recording": str(plan.recording),
        "--speed": plan.speed,
        "--state": str(plan.exchange_state),
    }
    return manage(plan, "run_exchange", *(part for pair in options.items() for part in pair), "--loop")


def _celery(kind: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "celery", "-A", "kalshiops", kind, "--loglevel", "INFO", *arguments]


def _web(plan: Plan) -> list[str]:
    return [
        sys.executable, "-m", "uvicorn", "kalshiops.asgi:application", "--host", LOOPBACK, "--port", str(plan.web_port),
        "--ws", "websockets-sansio", "--lifespan", "off", "--no-access-log", "--timeout-graceful-shutdown", "3",
    ]  # fmt: skip


def _says(pattern: str) -> Callable[[Path], bool]:
    """Ready once a line of its log matches."""
    compiled = re.compile(pattern, re.MULTILINE)
    return lambda log: bool(compiled.search(log.read_text(errors="replace")))
