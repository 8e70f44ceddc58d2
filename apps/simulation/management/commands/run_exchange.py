"""Run the exchange simulator."""

from __future__ import annotations

import asyncio
import gc
import random
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.engine.decimals import parse_money
from apps.engine.errors import BadNumber
from apps.gateway.errors import GatewayError
from apps.gateway.kalshi.signing import load_public_key
from apps.simulation.exchange.app import asgi_app
from apps.simulation.exchange.clock import SystemClock
from apps.simulation.exchange.config import TIERS, Credential, ExchangeConfig
from apps.simulation.exchange.control import full_path
from apps.simulation.exchange.exchange import Exchange, create_exchange
from apps.simulation.exchange.faults import PROFILES, FaultPlan, Latency
from apps.simulation.exchange.history import seed_history
from apps.simulation.exchange.journal import StateFileError
from apps.simulation.exchange.lifecycle import finish_left_over
from apps.simulation.exchange.replay import Replay
from apps.simulation.exchange.runner import Runner
from apps.simulation.exchange.synthetic import SyntheticFlow


class Command(BaseCommand):
    help = "Serve Kalshi's REST and WebSocket from a recording, from made-up markets, or from both."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8899, help="0 takes a free one and prints it")
        parser.add_argument("--key-id", action="append", default=[], help="repeat with --public-key")
        parser.add_argument("--public-key", action="append", default=[], help="PEM file, RSA or Ed25519")
        parser.add_argument("--cash", default="10000", help="dollars each account starts with")
        parser.add_argument("--tier", choices=sorted(TIERS), default="basic")
        parser.add_argument("--read-rate", type=int, help="read tokens per second instead of the tier's")
        parser.add_argument("--write-rate", type=int, help="write tokens per second instead of the tier's")
        parser.add_argument("--burst-seconds", type=int, default=3, help="seconds of the rate a bucket holds")
        parser.add_argument("--read-lag-ms", type=int, default=0, help="age of what portfolio reads show")
        parser.add_argument("--latency-ms", type=float, default=0.0, help="median round trip added to every request")
        parser.add_argument("--latency-sigma", type=float, default=0.0, help="of its log-normal distribution")
        parser.add_argument("--fault-rate", type=float, default=0.0, help="share of requests that a fault hits")
        parser.add_argument("--fault-profile", choices=sorted(PROFILES), default="thirds")
        parser.add_argument("--fault-path", action="append", default=[], help="prefix of the paths that faults hit")
        parser.add_argument("--control", action="store_true", help="open POST /sim/control and GET /sim/stats")
        parser.add_argument("--balance-net-of-resting", action="store_true")
        parser.add_argument("--recording", type=Path, action="append", default=[])
        parser.add_argument("--speed", type=float, default=1.0)
        parser.add_argument("--loop", action="store_true", help="start the recording anew at its end")
        parser.add_argument("--markets", type=int, default=0, help="made-up markets")
        parser.add_argument("--rate", type=float, default=50.0, help="their book events per second, all together")
        parser.add_argument("--shards", type=int, default=1, help="shards the made-up markets are spread over, 1 to 4")
        parser.add_argument("--seed", type=int, default=1, help="of made-up markets, latency and faults")
        parser.add_argument("--state", type=Path, help="file that keeps the accounts from one run to the next")
        parser.add_argument(
            "--history", action="store_true", help="give each account a settled trade and an open position"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            runner = self._runner(options)
        except (OSError, GatewayError, BadNumber, StateFileError, ValueError) as e:
            raise CommandError(str(e)) from e
        host = options["host"]
        # The exchange lives as long as the process: keep the collector away from it.
        gc.freeze()
        try:
            asyncio.run(runner.serve(host, options["port"], lambda port: self._say(host, port, runner)))
        except StateFileError as e:
            raise CommandError(str(e)) from e
        runner.app.exchange.shut_down()

    def _say(self, host: str, port: int, runner: Runner) -> None:
        markets = len(runner.app.exchange.state.catalogue.markets)
        self.stdout.write(f"exchange simulator listening on http://{host}:{port} with {markets} markets")
        self.stdout.flush()

    def _runner(self, options: dict[str, Any]) -> Runner:
        exchange = create_exchange(_config(options), SystemClock(), random.SystemRandom(), options["state"])
        _disturb(exchange, options)
        app = asgi_app(exchange, with_controls=options["control"])
        replays = [
            Replay(exchange.state, path, speed=options["speed"], loop=options["loop"]) for path in options["recording"]
        ]
        for replay in replays:
            replay.prime()
        synthetic = None
        if options["markets"] > 0:
            synthetic = SyntheticFlow(
                exchange.state, options["markets"], options["rate"], options["seed"], shards=options["shards"]
            )
        if options["history"]:
            seed_history(exchange)
        finish_left_over(exchange.state)
        exchange.commit()
        return Runner(app, replays, synthetic)


def _disturb(exchange: Exchange, options: dict[str, Any]) -> None:
    """Latency and faults as asked for, each with a seed of its own; none by default."""
    seed = options["seed"]
    if options["latency_ms"]:
        exchange.latency = Latency(options["latency_ms"], options["latency_sigma"], random.Random(seed))
    if options["fault_rate"]:
        kinds, paths = PROFILES[options["fault_profile"]], tuple(full_path(p) for p in options["fault_path"])
        exchange.faults.random = FaultPlan(options["fault_rate"], kinds, random.Random(seed + 1), paths)
        exchange.faults.rng = random.Random(seed + 2)


def _config(options: dict[str, Any]) -> ExchangeConfig:
    ids, keys = options["key_id"], options["public_key"]
    if len(ids) != len(keys) or len(set(ids)) != len(ids):
        raise ValueError("every --key-id needs its own --public-key, and no id may come twice")
    pairs = zip(ids, keys, strict=True)
    return ExchangeConfig(
        credentials=tuple(Credential(i, load_public_key(Path(k).read_bytes())) for i, k in pairs),
        cash=parse_money(options["cash"]),
        tier=options["tier"],
        read_rate=options["read_rate"],
        write_rate=options["write_rate"],
        burst_seconds=options["burst_seconds"],
        read_lag_us=options["read_lag_ms"] * 1000,
        balance_net_of_resting=options["balance_net_of_resting"],
    )
