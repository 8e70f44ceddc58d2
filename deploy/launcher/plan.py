"""What this start will run on: ports, addresses and the environment every process gets."""

from __future__ import annotations

import hashlib
import os
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .errors import LauncherError
from .network import LOOPBACK, free_port

_WEB_PORT = 8000
_EXCHANGE_PORT = 8899
_REDIS_PORT = 6399
_OUTSIDE_EXCHANGE = (
    "KALSHI_API_URL",
    "KALSHI_WS_URL",
    "KALSHI_ENVIRONMENT",
    "KALSHI_KEY_ID",
    "KALSHI_PRIVATE_KEY_FILE",
)
# The guardian's own key, where the exchange has one for it; it never belongs to the simulator.
_OUTSIDE_KILL_KEY = ("KALSHI_KILL_KEY_ID", "KALSHI_KILL_PRIVATE_KEY_FILE")
# Leftovers that would change which Python or which settings the processes use.
_DROPPED = ("PYTHONHOME", "PYTHONPATH", "DJANGO_SETTINGS_MODULE", "VIRTUAL_ENV")


@dataclass(frozen=True, slots=True)
class Plan:
    """`redis_port` and `exchange_port` are None when a team's own server is used instead.

    The simulated exchange's accounts live in `exchange_dir`, which belongs to the database that knows of their trades.
    """

    root: Path
    run_dir: Path
    exchange_dir: Path
    web_port: int
    redis_port: int | None
    exchange_port: int | None
    recording: Path
    speed: str
    environment: Mapping[str, str] = field(repr=False)

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self.web_port}/"

    @property
    def private_key(self) -> Path:
        return self.exchange_dir / "key.pem"

    @property
    def public_key(self) -> Path:
        return self.exchange_dir / "key.pub.pem"

    @property
    def exchange_state(self) -> Path:
        """Where the simulator keeps its accounts; without it a second start would find its positions gone."""
        return self.exchange_dir / "state.jsonl"

    @property
    def database(self) -> str:
        """What the terminal shows: never the address itself, which may carry a password."""
        return "DATABASE_URL" if self.environment.get("DATABASE_URL") else "SQLite in the run directory"


def make(root: Path, run_dir: Path, *, lasting_dir: Path, outside: Mapping[str, str], is_check: bool) -> Plan:
    """A check always trades on a simulator of its own, whatever the environment says.

    `lasting_dir` is where things stay that must outlive `run_dir`. Raises LauncherError for half a configuration of
    an outside exchange.
    """
    environment = {name: value for name, value in outside.items() if name not in _DROPPED}
    if is_check:
        for name in _OUTSIDE_EXCHANGE:
            environment.pop(name, None)
    # Nobody looks for a check at its usual ports, and others may be starting there at this very moment.
    usual: tuple[int | None, ...] = (None,) * 3 if is_check else (_REDIS_PORT, _EXCHANGE_PORT, _WEB_PORT)
    redis_port = None if environment.get("REDIS_URL") else _port(environment, "KALSHIOPS_REDIS_PORT", usual[0])
    exchange_port = _exchange_port(environment, usual[1])
    web_port = _port(environment, "KALSHIOPS_PORT", usual[2])
    exchange_dir = _exchange_dir(environment.get("DATABASE_URL"), run_dir, lasting_dir)
    environment |= {
        "KALSHIOPS_RUN_DIR": str(run_dir),
        "KALSHIOPS_RELEASE": environment.get("KALSHIOPS_RELEASE") or _release(root),
        "PYTHONUNBUFFERED": "1",
    }
    if redis_port is not None:
        environment["REDIS_URL"] = f"redis://{LOOPBACK}:{redis_port}/0"
    if exchange_port is not None:
        for name in _OUTSIDE_KILL_KEY:
            environment.pop(name, None)
        environment |= {
            "KALSHI_ENVIRONMENT": "simulated",
            "KALSHI_API_URL": f"http://{LOOPBACK}:{exchange_port}/trade-api/v2",
            "KALSHI_WS_URL": f"ws://{LOOPBACK}:{exchange_port}/trade-api/ws/v2",
            "KALSHI_KEY_ID": _key_id(exchange_dir),
            "KALSHI_PRIVATE_KEY_FILE": str(exchange_dir / "key.pem"),
        }
    return Plan(
        root=root,
        run_dir=run_dir,
        exchange_dir=exchange_dir,
        web_port=web_port,
        redis_port=redis_port,
        exchange_port=exchange_port,
        recording=_recording(root, environment),
        speed=environment.get("KALSHIOPS_SPEED") or "1",
        environment=environment,
    )


def write_platform_env(plan: Plan) -> Path:
    """Tells `manage.py` in another terminal where this platform is. DATABASE_URL may hold a password and stays out."""
    path = plan.run_dir / "platform.env"
    names = ("KALSHIOPS_RELEASE", "REDIS_URL", *_OUTSIDE_EXCHANGE, *_OUTSIDE_KILL_KEY)
    lines = [f"{name}={plan.environment[name]}\n" for name in names if name in plan.environment]
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        handle.writelines(lines)
    os.replace(fresh, path)
    return path


def _exchange_dir(database_url: str | None, run_dir: Path, lasting_dir: Path) -> Path:
    """Beside the embedded database, or one for each team's database that this machine ran the simulator for."""
    directory = run_dir / "exchange"
    if database_url:
        directory = lasting_dir / f"exchange-{hashlib.sha256(database_url.encode()).hexdigest()[:12]}"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def _key_id(directory: Path) -> str:
    """The simulated account is the key's, so the key's id stays the same from one start to the next."""
    path = directory / "key.id"
    if not path.is_file():
        path.write_text(str(uuid.uuid4()))
    return path.read_text().strip()


def _exchange_port(environment: Mapping[str, str], usual: int | None) -> int | None:
    if not environment.get("KALSHI_API_URL"):
        return _port(environment, "KALSHIOPS_EXCHANGE_PORT", usual)
    if missing := [name for name in _OUTSIDE_EXCHANGE if not environment.get(name)]:
        raise LauncherError(f"KALSHI_API_URL names an exchange, so these must be set too: {', '.join(missing)}.")
    return None


def _port(environment: Mapping[str, str], name: str, usual: int | None) -> int:
    raw = environment.get(name)
    if not raw:
        return free_port(usual)
    if not raw.isdecimal() or not 0 < int(raw) < 65536:
        raise LauncherError(f"{name} must be a port number, not {raw!r}.")
    return free_port(int(raw))


def _recording(root: Path, environment: Mapping[str, str]) -> Path:
    path = root / (environment.get("KALSHIOPS_RECORDING") or "tests/data/ws/kxbtc15m_20260513T2020Z.jsonl.gz")
    if not path.is_file():
        raise LauncherError(f"The recording {path} is missing; KALSHIOPS_RECORDING names another.")
    return path


def _release(root: Path) -> str:
    """The commit that runs, so that every order can be traced to the code that made it."""
    try:
        shown = subprocess.run(
            ["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True, check=False
        )
    except OSError:
        return "unreleased"
    return shown.stdout.strip() or "unreleased"
