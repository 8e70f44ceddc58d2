"""An unattended run of the whole platform and its verdict in one JSON object."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from . import log_errors, platform_run, stack
from .errors import LauncherError
from .platform_run import PlatformRun
from .screen import Screen
from .signals import StopWish

FIELDS = (
    "markets", "frames", "seq_gaps", "decisions", "orders", "denied", "rejected", "fills", "contracts_filled", "fees",
    "cash_start", "cash_end", "cash_drift", "resting_at_end", "open_unknown", "errors",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """`problems` says in words why the check failed; it is empty when it passed."""

    summary: dict[str, Any]
    problems: tuple[str, ...]


def run(root: Path, seconds: float, *, outside: dict[str, str], screen: Screen, wish: StopWish) -> Verdict:
    """Starts everything in a directory of its own, trades for `seconds`, stops, and judges.

    The directory is removed after a pass and kept, with its logs, after a failure.
    """
    lasting_dir = root / ".run"
    lasting_dir.mkdir(mode=0o700, exist_ok=True)
    run_dir = Path(tempfile.mkdtemp(prefix="check-", dir=lasting_dir))
    troubles: list[str] = []
    printed = ""
    try:
        with platform_run.started(
            root, run_dir, lasting_dir=lasting_dir, outside=outside, is_check=True, screen=screen, wish=wish
        ) as platform:
            _trade(platform, seconds, troubles)
            with screen.step("stopping workers"):
                platform.supervisor.stop(stack.WORKING)
            printed = platform.manage("session_summary", "session_summary", "--json", may_fail=True)
            _note_deaths(platform, troubles)
    except LauncherError as error:
        troubles.append(str(error))
    incidents = log_errors.find((run_dir / "logs").glob("*.log"))
    troubles += [f"{incident.log}: {incident.line}" for incident in incidents]
    verdict = judge(printed, troubles)
    if verdict.problems:
        screen.line(f"  logs kept in {run_dir / 'logs'}")
    else:
        shutil.rmtree(run_dir)
    return verdict


def _trade(platform: PlatformRun, seconds: float, troubles: list[str]) -> None:
    with platform.screen.step("trading session") as step:
        state = platform.wait_for_session()
        if state is None or state.state != "running":
            step.result = "did not run"
            shown = "nothing was heard of it" if state is None else f"it is {state.state}: {state.reason}"
            troubles.append(f"the trading session did not run; {shown}")
            return
        step.result = "running"
    with platform.screen.step("trading") as step:
        platform.trade_for(seconds)
        step.result = f"{seconds:g} s"


def _note_deaths(platform: PlatformRun, troubles: list[str]) -> None:
    troubles += [f"{name} ended unexpectedly" for name in platform.supervisor.deaths]
    troubles += [f"{name} had to be killed" for name in platform.supervisor.killed]


def judge(printed: str, troubles: list[str]) -> Verdict:
    """`printed` is what `session_summary --json` said last; a missing figure is null and fails the check."""
    figures = _last_object(printed)
    summary = {name: figures.get(name) for name in FIELDS}
    missing = ", ".join(name for name, value in summary.items() if value is None)
    problems = [*troubles, *([f"missing from the summary: {missing}"] if missing else [])]
    reported = summary["errors"] if isinstance(summary["errors"], int) else 0
    summary["errors"] = reported + len(troubles)
    if reported:
        problems.append(f"the session counted {reported} errors")
    problems += [
        f"{name} is {summary[name]}, not 0"
        for name in ("cash_drift", "resting_at_end", "open_unknown")
        if summary[name] is not None and not _is_zero(summary[name])
    ]
    return Verdict(summary, tuple(problems))


def _last_object(printed: str) -> dict[str, Any]:
    lines = printed.strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_zero(value: object) -> bool:
    try:
        return Decimal(str(value)) == 0
    except InvalidOperation:
        return False
