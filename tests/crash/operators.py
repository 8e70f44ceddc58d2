"""People who act while a session runs, from processes of their own as in production."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from django.db import connections
from django.utils import timezone

from apps.risk.services import kill_switch_trip
from apps.trading.models import TradingSession

from . import ground

ASK, ACTED = "ask-", "acted-"


def kill() -> None:
    kill_switch_trip(
        scope="account", scope_id="main", reason="crash test", actor=None, now=timezone.now(), actor_label="crash-test"
    )


def restart() -> None:
    """As the button does it: the session that runs now is asked to end."""
    TradingSession.objects.filter(ended_at=None).update(stop_requested_at=timezone.now())


ACTS: dict[str, Callable[[], None]] = {"kill": kill, "restart": restart}


def answer(folder: Path, prepared: Callable[[], None]) -> None:
    """Carries out what the script has asked for, each once."""
    for act in ACTS:
        wish = folder / f"{ASK}{act}"
        if not wish.exists():
            continue

        def work(act: str = act) -> None:
            prepared()
            ACTS[act]()
            connections.close_all()

        ground.do(work, folder / "log")
        wish.rename(folder / f"{ACTED}{act}")
