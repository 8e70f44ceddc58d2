"""Where the recordings are: the small ones shipped here, and all of them where the data folder stands beside."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
ALL_DATA = ROOT.parent / "shared" / "data"

_REST_FOLDERS = {
    "kalshi_demo_20260611_session": "demo_20260611",
    "kalshi_prod_202608_cockpit": "prod_202608",
    "kalshi_prod_202607_kxhighny": "prod_202607",
    "kalshi_prod_20260112_golden": "prod_20260112",
}


def rest_bundles() -> dict[str, dict[str, str]]:
    """`demo_20260611` ... -> file name -> verbatim text; the data folder's own files win where both exist."""
    bundles: dict[str, dict[str, str]] = {}
    for path in sorted((DATA / "rest").glob("*.json.gz")):
        bundles[path.name.removesuffix(".json.gz")] = json.loads(gzip.decompress(path.read_bytes()))
    for folder, name in _REST_FOLDERS.items():
        for path in sorted((ALL_DATA / "rest" / folder).glob("*")):
            bundles[name][path.name] = path.read_text(encoding="utf-8")
    return bundles


def ws_recordings() -> list[Path]:
    """Every recording of WebSocket frames."""
    shipped = sorted((DATA / "ws").glob("*.json*"))
    everything = sorted((ALL_DATA / "ws").glob("*.json*")) if ALL_DATA.is_dir() else []
    return shipped + [path for path in everything if ".meta." not in path.name]


def ws_recording(name: str) -> Path:
    return DATA / "ws" / name
