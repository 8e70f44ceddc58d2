"""Dead man: whoever of ours dies, the exchange is left with nothing of ours resting. Real processes, real signals.

Two platforms of their own run side by side, each with an exchange, a guardian, a quoting session and a SQLite file: on
one the session is killed, on the other the session and the guardian. What rests is what the exchange itself says.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from apps.gateway.clock import SystemClock
from apps.risk.guardian.connection import connection_open
from apps.risk.guardian.deaths import LOOK_EVERY_MS, SILENT_MS
from tests.bench.figures import Figure
from tests.risk.guardian.stand import Stand, rest_orders, standing

from .parts import TooLate, begin, end, leave_figures, manage, outside, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]
TRIGGERED_WITHIN_S, GONE_WITHIN_S = 30.0, 60.0
MARKETS, QUOTES = 12, 6
SERIES = ("KXSIMECON", "KXSIMCRYPTO", "KXSIMINDEX")
# A session that had died would have been noticed by then, and its orders looked for twice.
NOTICED_S = (SILENT_MS + 2 * LOOK_EVERY_MS) / 1000
PREPARE = (
    "from django.core.management import call_command; from apps.marketdata.feeds.catalogue import catalogue_refresh;"
    f"catalogue_refresh(); call_command('seed_demo', '--json', '--markets', *{SERIES!r})"
)


@dataclass(slots=True)
class Platform:
    """One exchange, and the guardian and the session that work on it."""

    stand: Stand
    folder: Path
    redis_address: str
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def database(self) -> Path:
        return self.folder / "platform.sqlite3"

    def environment(self) -> dict[str, str]:
        return outside() | self.stand.environment() | {
            "DJANGO_SETTINGS_MODULE": "kalshiops.settings",
            "KALSHIOPS_RUN_DIR": str(self.folder),
            "DATABASE_URL": f"sqlite:///{self.database}",
            "REDIS_URL": self.redis_address,
            "PYTHONUNBUFFERED": "1",
        }  # fmt: skip

    def start(self, command: str) -> subprocess.Popen[bytes]:
        process = begin(manage(command), self.environment(), self.log(command))
        self.started.append(process)
        return process

    def log(self, command: str) -> Path:
        return self.folder / f"{command}.log"

    def told(self) -> str:
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in sorted(self.folder.glob("run_*.log")))

    def start_session(self) -> subprocess.Popen[bytes]:
        """A session that has several orders resting."""
        process = self.start("run_session")
        wait_until(lambda: process.poll() is not None or self.resting() >= QUOTES, what=self.told)
        assert process.poll() is None, self.told()
        return process

    def resting(self) -> int:
        return int(self.stand.stats()["resting"])

    def dead_men(self) -> list[str]:
        """What the guardian recorded of sessions that fell silent."""
        with sqlite3.connect(self.database, timeout=10) as database:
            rows = database.execute("SELECT message FROM governance_systemevent WHERE code = 'DEAD_MAN'").fetchall()
        return [message for (message,) in rows]

    def rest_by_hand(self) -> None:
        """An order that no session knows of and nobody renews; it stays until somebody takes it off."""
        from django.test import override_settings

        async def rest() -> None:
            with override_settings(**self.stand.environment()):
                connection = connection_open(SystemClock(), Random(1))
            try:
                await rest_orders(connection.venue, self.stand.tickers(), (), 1)
            finally:
                await connection.aclose()

        asyncio.run(rest())


@dataclass(frozen=True, slots=True)
class Death:
    """Seconds from the kill. `asked`: requests the exchange had from us between the kill and nothing resting."""

    resting: int
    gone_s: float
    triggered_s: float | None
    groups: int
    asked: int


def watched(platform: Platform, kill: Callable[[], None]) -> Death:
    """Kills, and looks at the exchange until nothing rests there."""
    assert platform.dead_men() == []
    before = platform.stand.stats()
    begun = time.monotonic()
    kill()
    triggered_s: float | None = None
    left = sum(platform.stand.stats()["asked"].values())
    while (now := platform.stand.stats())["resting"]:
        passed_s = time.monotonic() - begun
        if triggered_s is None and now["triggered_groups"] == now["groups"]:
            triggered_s = passed_s
        if passed_s > GONE_WITHIN_S + TRIGGERED_WITHIN_S:
            raise TooLate(f"{now['resting']} orders rest {passed_s:.0f} s after the kill: {platform.told()}")
        time.sleep(0.05)
    gone_s = time.monotonic() - begun
    if triggered_s is None and now["triggered_groups"] == now["groups"]:
        triggered_s = gone_s
    return Death(before["resting"], gone_s, triggered_s, now["groups"], sum(now["asked"].values()) - left)


def session_dies(platform: Platform) -> Death:
    platform.start("run_guardian")
    session = platform.start_session()
    return watched(platform, lambda: killed(session))


def both_die(platform: Platform) -> Death:
    guardian = platform.start("run_guardian")
    session = platform.start_session()
    return watched(platform, lambda: killed(session, guardian))


def killed(*processes: subprocess.Popen[bytes]) -> None:
    for process in processes:
        process.kill()
    for process in processes:
        process.wait()


def next_session_ends(platform: Platform, before: Future[Death]) -> list[int]:
    """After the death of one session another takes over, quotes, and is stopped; what rests for as long as matters.

    An order that is none of the session's rests meanwhile: a guardian that took the end for a death would take it off.
    """
    before.result()
    wait_until(lambda: len(platform.dead_men()) == 1, what=platform.told)
    session = platform.start_session()
    assert end(session) == 0, platform.told()
    assert "session ended: stopped" in platform.log("run_session").read_text()
    assert platform.resting() == 0
    platform.rest_by_hand()
    seen: list[int] = []
    begun = time.monotonic()
    while time.monotonic() - begun < NOTICED_S:
        seen.append(platform.resting())
        time.sleep(0.2)
    return seen


@dataclass(frozen=True, slots=True)
class Evening:
    """Everything at once; each test waits for its own."""

    guarded: Platform
    abandoned: Platform
    session_dies: Future[Death]
    both_die: Future[Death]
    next_session_ends: Future[list[int]]


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory, redis_address: str) -> Iterator[Evening]:
    with ExitStack() as stack:
        guarded, abandoned = platforms(stack, tmp_path_factory.mktemp("dead-man"), redis_address)
        pool = stack.enter_context(ThreadPoolExecutor(3))
        first, second = pool.submit(session_dies, guarded), pool.submit(both_die, abandoned)
        yield Evening(guarded, abandoned, first, second, pool.submit(next_session_ends, guarded, first))


def platforms(stack: ExitStack, folder: Path, redis_address: str) -> tuple[Platform, Platform]:
    """Both with the same seeded database, in which the drills of the switches have been made."""
    made = []
    address = redis_address.rpartition("/")[0]
    for number, name in enumerate(("guarded", "abandoned")):
        (folder / name).mkdir()
        stand = stack.enter_context(standing(folder / name, markets=MARKETS))
        made.append(stack.enter_context(closing(Platform(stand, folder / name, f"{address}/{number}"))))
        if number == 0:
            migrate = begin(manage("migrate", "--verbosity", "0"), made[0].environment(), folder / "migrate.log")
    first, second = made
    assert migrate.wait() == 0, (folder / "migrate.log").read_text()
    log = folder / "prepare.log"
    assert begin(manage("shell", "--verbosity", "0", "-c", PREPARE), first.environment(), log).wait() == 0, (
        log.read_text()
    )
    shutil.copy(first.database, second.database)
    return first, second


@contextmanager
def closing(platform: Platform) -> Iterator[Platform]:
    try:
        yield platform
    finally:
        for process in reversed(platform.started):
            end(process)


def test_guardian_takes_the_orders_off_when_the_session_is_killed(
    evening: Evening, capfd: pytest.CaptureFixture[str]
) -> None:
    death = evening.session_dies.result()
    assert death.resting >= QUOTES
    assert death.groups > 0
    assert death.triggered_s is not None
    assert death.triggered_s <= TRIGGERED_WITHIN_S
    assert death.gone_s <= TRIGGERED_WITHIN_S
    with capfd.disabled():
        sys.stdout.write(f"\nsession killed: groups triggered after {death.triggered_s:.1f} s, ")
        sys.stdout.write(f"nothing of {death.resting} rests after {death.gone_s:.1f} s\n")
    n = death.resting
    leave_figures(
        "dead_man_session",
        [
            Figure("G14", "session killed: all groups triggered", f"{death.triggered_s:.1f} s", True, n),
            Figure("G14", "session killed: nothing rests", f"{death.gone_s:.1f} s", True, n),
        ],
    )


def test_a_session_that_stops_is_no_death(evening: Evening) -> None:
    """The same guardian that has just acted on a death leaves everything alone."""
    seen = evening.next_session_ends.result()
    assert set(seen) == {1}
    assert len(evening.guarded.dead_men()) == 1


def test_orders_end_by_themselves_when_everything_of_ours_is_killed(
    evening: Evening, capfd: pytest.CaptureFixture[str]
) -> None:
    death = evening.both_die.result()
    assert death.resting >= QUOTES
    assert death.gone_s <= GONE_WITHIN_S
    assert (death.asked, death.triggered_s) == (0, None), "somebody else took them off"
    with capfd.disabled():
        sys.stdout.write(
            f"\nsession and guardian killed: nothing of {death.resting} rests after {death.gone_s:.1f} s\n"
        )
    leave_figures(
        "dead_man_all",
        [Figure("G14", "session and guardian killed: nothing rests", f"{death.gone_s:.1f} s", True, death.resting)],
    )
