"""The guardian: a small process that stops trading when asked to, and when the session has died.

It holds no lease and decides nothing about trading. Every way in is watched on its own, so that with the database,
Redis or both away the others still work; two guardians at once only cost tokens.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import redis
import redis.asyncio
from django.conf import settings

from apps.core.shutdown import tasks_end
from apps.gateway.errors import GatewayError
from apps.risk import blocks
from apps.risk.blocks import Block, BlocksUnreadable
from apps.risk.choices import KillOutcome, Scope
from apps.risk.services.stops import COMMAND

from . import heartbeat, records
from .database import DatabaseAway
from .deaths import DeathWatch
from .heartbeat import Heartbeat
from .reach import everything
from .report import Step, iso
from .request import KillRequest, kill_file_read, kill_file_write, kill_files_unrecorded
from .runner import Runner

log = logging.getLogger(__name__)

POLL_S = 0.25
BEAT_S = 1.0
TIDY_S = 2.0
GROUPS_S = 5.0
WARM_S = 60.0
WARM_CONNECTIONS = 8
COMMAND_GRACE_S = 5.0
AGAIN_S = 5.0
LAST_LADDERS_S = 10.0
_AWAY = (OSError, redis.RedisError, DatabaseAway, GatewayError, TimeoutError)


@dataclass
class Guardian:
    """`run` ends when `stop` is set, after the ladders it has begun."""

    runner: Runner
    watch: DeathWatch = field(default_factory=lambda: DeathWatch(settings.KALSHI_ENVIRONMENT))
    _begun: set[str] = field(default_factory=set)
    _ladders: set[asyncio.Task[None]] = field(default_factory=set)
    _file_blocks: list[Block] = field(default_factory=list)
    _redis_blocks: dict[tuple[str, str], Block] = field(default_factory=dict)
    _elsewhere: set[str] = field(default_factory=set)
    _dead: asyncio.Task[None] | None = None
    _trouble: dict[str, str] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        """Raises what no part of it should have raised, after the ladders have ended."""
        blocks.blocks_prepare()
        loops = [
            self._every("beat", BEAT_S, self._beat),
            self._every("files", POLL_S, self._read_files),
            self._every("database", POLL_S, self._read_database),
            self._every("sessions", BEAT_S, self._watch_sessions),
            self._every("groups", GROUPS_S, self._learn_groups),
            self._every("warm", WARM_S, self._warm),
            self._every("tidy", TIDY_S, self._tidy),
        ]
        if (client := self.runner.screen) is not None:
            loops.append(self._every("redis", BEAT_S, self._beat_redis))
            loops.append(blocks.subscribe(client, self._on_redis_block, on_clear=self._on_redis_clear))
        tasks = [asyncio.ensure_future(loop) for loop in loops]
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
        running = [*self._ladders, *([self._dead] if self._dead else [])]
        if running:
            await asyncio.wait(running, timeout=LAST_LADDERS_S)
        for result in await tasks_end([stopped, *tasks, *running]):
            if isinstance(result, Exception):
                raise result

    async def _every(self, name: str, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """What is away is said once, and once more when it is back; anything else ends the guardian."""
        while True:
            try:
                await work()
            except _AWAY as error:
                if name not in self._trouble:
                    log.warning("%s: %s: %s", name, type(error).__name__, error)
                self._trouble[name] = str(error)
            else:
                if self._trouble.pop(name, None) is not None:
                    log.info("%s: back", name)
            await asyncio.sleep(seconds)

    async def _read_files(self) -> None:
        try:
            self._file_blocks = blocks.blocks_read_files()
        except BlocksUnreadable:
            self._file_blocks = []
            raise
        for block in self._file_blocks:
            self._begin(KillRequest.of_block(block))

    async def _read_database(self) -> None:
        now = records.moment(self.runner.clock.now_ms())
        for request in await self.runner.database.run(records.runs_waiting, now=now):
            self._begin(request)

    def _on_redis_block(self, block: Block) -> None:
        self._redis_blocks[block.key] = block
        self._begin(KillRequest.of_block(block))

    def _on_redis_clear(self, scope: str, scope_id: str) -> None:
        self._redis_blocks.pop((scope, scope_id), None)

    def _begin(self, request: KillRequest) -> None:
        """Starts the ladder of a press that was not seen before, at once."""
        if request.request_id in self._begun:
            return
        self._begun.add(request.request_id)
        if self._is_elsewhere(request):
            log.info("%s %s is not this guardian's", request.scope, request.scope_id)
            return
        self._ladders.add(task := asyncio.create_task(self._climb(request)))
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._ladders.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a ladder broke off", exc_info=error)

    async def _climb(self, request: KillRequest) -> None:
        """Until zero is proved or the stop is lifted. A command climbs by itself; this steps in when it did not."""
        if request.source == COMMAND:
            age_s = self.runner.clock.now_ms() / 1000 - request.at.timestamp()
            await asyncio.sleep(max(0.0, COMMAND_GRACE_S - age_s))
        while not _is_proved(request):
            log.warning("stop of %s %s by %s: %s", request.scope, request.scope_id, request.by, request.reason)
            report, _ = await self.runner.run(request, also=_log_step)
            if report.is_zero:
                return
            await asyncio.sleep(AGAIN_S)
            if not self._stands(request):
                return

    def _stands(self, request: KillRequest) -> bool:
        """While the folder cannot be read the stop stands."""
        if "files" in self._trouble:
            return True
        return any(
            block.key == (request.scope, request.scope_id)
            for block in (*self._file_blocks, *self._redis_blocks.values())
        )

    def _is_elsewhere(self, request: KillRequest) -> bool:
        if request.scope == Scope.ENVIRONMENT:
            return request.scope_id != settings.KALSHI_ENVIRONMENT
        return request.scope == Scope.ACCOUNT and request.scope_id in self._elsewhere

    async def _beat(self) -> None:
        heartbeat.guardian_beat(self.runner.clock.now_ms())

    async def _beat_redis(self) -> None:
        client = self.runner.screen
        assert client is not None
        await heartbeat.guardian_beat_redis(client, self.runner.clock.now_ms())
        self.watch.note(await heartbeat.beats_read_redis(client))

    async def _watch_sessions(self) -> None:
        """Silence of a session with orders resting: they are taken off. Quiet ones and ended ones are left alone."""
        self.watch.note(heartbeat.beats_read_files())
        if self._dead is not None and self._dead.done():
            task, self._dead = self._dead, None
            task.result()
        if self._dead is None and (due := self.watch.due(self.runner.clock.now_ms())):
            self._dead = asyncio.create_task(self._dead_man(due[0]))

    async def _dead_man(self, beat: Heartbeat) -> None:
        try:
            resting = await self.runner.connection.venue.open_orders()
        except GatewayError:
            self.watch.again(beat.name)
            raise
        if not resting:
            return
        silent_ms = self.runner.clock.now_ms() - beat.at_ms
        log.critical("%s is silent for %d ms with %d orders resting", beat.name, silent_ms, len(resting))
        steps: list[Step] = []
        text = f"everything, because the session of {beat.name} fell silent"
        # No cancel-all: it may take orders of the following minute, and those belong to the session that takes over.
        report = await self.runner.climb(everything(text), steps.append, may_cancel_all=False)
        details = {
            "resting_before": len(resting),
            "silent_ms": silent_ms,
            "is_zero": report.is_zero,
            "report": report.text(),
            "steps": [step.as_json() for step in steps],
        }
        self._keep_death(beat, details)
        await self._tidy()

    def _keep_death(self, beat: Heartbeat, details: dict[str, object]) -> None:
        """In a file first: the database may be away."""
        at_ms = self.runner.clock.now_ms()
        request = {"request_id": f"dead-man-{beat.name}-{at_ms}", "account": beat.name, "beat_ms": beat.at_ms}
        state = {"request": request | {"at": iso(at_ms)}, "fields": details, "is_dead_man": True, "is_recorded": False}
        kill_file_write(state, is_durable=True)

    async def _learn_groups(self) -> None:
        await self.runner.connection.pay(1)
        groups = await self.runner.connection.venue.groups()
        self.runner.known.groups = tuple(group.group_id for group in groups)
        self.runner.known.save(self.runner.connection)

    async def _warm(self) -> None:
        """Keeps connections open and the account's rates known, so that a stop begins with neither."""
        await self.runner.connection.pay(1 + WARM_CONNECTIONS)
        await self.runner.connection.learn()
        venue = self.runner.connection.venue
        await asyncio.gather(*(venue.exchange_status() for _ in range(WARM_CONNECTIONS)))

    async def _tidy(self) -> None:
        """Brings the database what happened without it, and takes away flags that a resume has overtaken."""
        database, now = self.runner.database, records.moment(self.runner.clock.now_ms())
        self._elsewhere = await database.run(records.accounts_elsewhere)
        self.watch.note(await database.run(records.beats_read))
        for state in kill_files_unrecorded():
            await database.run(records.file_record, state=state, now=now)
            kill_file_write(state | {"is_recorded": True}, is_durable=True)
        for block in (*self._file_blocks, *self._redis_blocks.values()):
            if await database.run(records.leftover_clear, block=block):
                log.info("the flag of %s %s was older than its resume and is gone", block.scope, block.scope_id)


def _is_proved(request: KillRequest) -> bool:
    """Whether somebody's ladder for this very press has ended with the proof."""
    state = kill_file_read(request.request_id) or {}
    return bool(state.get("fields", {}).get("outcome") == KillOutcome.PROVED_ZERO)


def _log_step(step: Step) -> None:
    if step.name != "look":
        log.info("%s", step.text)
