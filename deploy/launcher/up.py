"""`deploy/up`: the platform in the foreground until Ctrl-C, or `--check SECONDS` of it without a terminal."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

from . import check, platform_run
from .environment import ROOT
from .errors import LauncherError, StopRequested
from .platform_run import PlatformRun
from .screen import Screen
from .signals import StopWish

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    wish = StopWish()
    wish.install()
    try:
        if options.check is None:
            return _serve(Screen(sys.stdout), wish)
        return _check(options.check, Screen(sys.stderr), wish)
    except StopRequested:
        return _INTERRUPTED if options.check is not None else 0
    except LauncherError as error:
        print(f"\n{error}", file=sys.stderr, flush=True)
        return 1


def _serve(screen: Screen, wish: StopWish) -> int:
    run_dir = platform_run.default_run_dir(ROOT)
    screen.line(f"kalshiops starts; its files and logs are in {run_dir}")
    with platform_run.started(
        ROOT, run_dir, lasting_dir=run_dir, outside=dict(os.environ), is_check=False, screen=screen, wish=wish
    ) as platform:
        _announce(platform)
        platform.supervisor.watch()
    return 0


def _announce(platform: PlatformRun) -> None:
    screen = platform.screen
    screen.line()
    screen.line(f"  Mission control  {platform.plan.address}")
    screen.line(f"  Admin            {platform.plan.address}admin/")
    if platform.sign_ins:
        screen.line(
            "  One-time passwords; at the first sign-in each person chooses another and sets up a second factor:"
        )
        for row in platform.sign_ins:
            screen.line(f"    {row['username']:<10} {row['role']:<16} {row['password']}")
    else:
        screen.line("  People and passwords are as they were; manage.py changepassword NAME sets a new one.")
    screen.line("  Ctrl-C stops everything.")
    screen.line()
    with screen.step("trading session") as step:
        state = platform.wait_for_session()
        step.result = "nothing heard of it yet" if state is None else f"{state.state} {state.reason}".strip()


def _check(seconds: float, screen: Screen, wish: StopWish) -> int:
    verdict = check.run(ROOT, seconds, outside=dict(os.environ), screen=screen, wish=wish)
    for problem in verdict.problems:
        screen.line(f"  problem: {problem}")
    print(json.dumps(verdict.summary), flush=True)
    return 1 if verdict.problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="deploy/up", description=__doc__)
    parser.add_argument(
        "--check", type=_seconds, metavar="SECONDS", help="run that long unattended, stop, print a JSON summary last"
    )
    return parser


def _seconds(raw: str) -> float:
    value = float(raw)
    if not 0 < value <= 86_400:
        raise argparse.ArgumentTypeError("must be between 0 and 86400 seconds")
    return value


if __name__ == "__main__":
    sys.exit(main())
