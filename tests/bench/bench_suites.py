"""Goals that a test proves rather than a number: runs the tests of each and leaves how many passed as its figure.

Run: python tests/bench/bench_suites.py [--goals G4 G14 …]. Exit 1 when a test failed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.figures import Figure, write  # noqa: E402

SUITES: dict[str, tuple[str, ...]] = {
    "G4": ("tests/acceptance/test_kill_paths.py",),
    "G9": ("tests/governance/approvals", "tests/access"),
    "G14": (
        "tests/risk/guardian/test_guardian.py", "tests/risk/guardian/test_heartbeat.py",
        "tests/trading/test_order_life.py",
    ),
    "G15": (
        "tests/gateway/test_ws.py", "tests/engine/switches/test_health.py",
        "tests/trading/test_switchboard_account.py::test_a_silent_connection_pulls_every_quote_and_comes_back_by_itself",
    ),
    "G16": ("tests/engine/test_booksets.py", "tests/engine/test_book_properties.py", "tests/trading/test_session.py"),
    "G17": (
        "tests/trading/test_manual_orders.py", "tests/trading/test_session.py", "tests/engine/test_intent_ids.py",
        "tests/trading/test_switchboard.py", "tests/trading/test_sending_guards.py",
    ),
    "G20": ("tests/engine/switches", "tests/risk/test_switches.py", "tests/trading/test_switchboard.py",
            "tests/trading/test_switchboard_account.py", "tests/trading/test_switch_parts.py"),
    "G26": ("tests/acceptance/test_secrets.py",),
    "G28": ("tests/trading/governed/test_processes.py",),
    "G29": ("tests/architecture/test_words.py", "tests/governance/compliance"),
    "G31": ("tests/trading/test_history_repeats.py",),
    "G33": (
        "tests/trading/test_switchboard_account.py::test_an_exchange_pause_says_plainly_that_nothing_can_be_canceled",
        "tests/trading/test_order_life.py::test_a_pause_shuts_the_gate_and_says_whether_cancels_work",
        "tests/risk/guardian/test_ladder.py::test_paused_exchange_is_said_in_plain_words_and_zero_is_not_claimed",
    ),
    "G34": ("tests/gateway/test_messages.py", "tests/gateway/test_rest.py", "tests/gateway/test_fuzz_frames.py"),
}  # fmt: skip
COUNTS = re.compile(r"(\d+) (passed|failed|errors?)")


def run(tests: tuple[str, ...]) -> tuple[int, int, str]:
    """How many passed, how many did not, and the end of what pytest said."""
    command = [sys.executable, "-m", "pytest", "-o", "addopts=-p no:cacheprovider", "--tb=short", *tests]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    counts = {word: int(number) for number, word in COUNTS.findall(done.stdout.strip().rsplit("\n", 1)[-1])}
    passed = counts.pop("passed", 0)
    bad = sum(counts.values())
    return passed, bad or int(done.returncode != 0), done.stdout[-2000:] + done.stderr[-1000:]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--goals", nargs="+", choices=list(SUITES), default=list(SUITES))
    options = parser.parse_args()
    failed = 0
    for goal in options.goals:
        passed, bad, told = run(SUITES[goal])
        failed += bad
        print(f"{goal:4} {passed} tests passed, {bad} failed", flush=True)
        if bad:
            print(told)
        write(f"suite_{goal}", [Figure(goal, "tests", f"{passed} passed, {bad} failed", not bad, passed + bad)])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
