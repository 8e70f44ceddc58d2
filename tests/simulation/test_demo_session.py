"""The recorded demo session of June 2026, request by request, against the simulator.

What still differs is listed here, with the reason: most of it is what the exchange itself changed since.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from apps.engine.types import MONEY_SCALE, Side
from apps.simulation.exchange.clock import MICROS
from apps.simulation.exchange.feed import book_replaced, crowd_takes
from apps.simulation.exchange.markets import MarketStatus
from apps.simulation.exchange.rest.call import Request

from .venue import Client, Venue, add_market, make_venue

SESSION = json.loads((Path(__file__).parents[1] / "data" / "exchange" / "demo_session.json").read_text())
TRADED = "KXWTACHALLENGERMATCH-26JUN11JIMLEP-LEP"
TAPED = "KXPGATOUR-USO26-JDAY"
REFUSED_LONG_AGO = 1_781_159_123_000

# Fields removed from the API since June, or added to it.
REMOVED = {
    "fractional_trading_enabled": "removed 9 July 2026",
    "response_price_units": "removed 9 July 2026",
    "liquidity_dollars": "removed 1 October 2026",
    "resting_orders_count": "removed 9 July 2026",
    "service": "removed from errors 6 August 2026",
}
ADDED = {
    "settlement_bounds_type": "since 1 October 2026",
    "exchange_index": "sharding, since August 2026",
    "exchange_index_statuses": "sharding, since August 2026",
    "intra_exchange_transfers_active": "sharding, since August 2026",
    "sending_ts_ms": "since 1 October 2026",
}
# Per market: only markets of their kind have these (combos, structured strikes), ours are plain.
KIND = {
    "custom_strike",
    "strike_type",
    "floor_strike",
    "cap_strike",
    "functional_strike",
    "is_provisional",
    "mve_collection_ticker",
    "mve_selected_legs",
    "primary_participant_key",
    "occurrence_datetime",
    "early_close_condition",
    "subtitle",
}
# Retired since 18-25 June 2026: both answer 410 now.
RETIRED = {"orders__legacy_create": 201, "orders__legacy_cancel": 200}
AUTH_CASES = {"auth__skew_minus5s": -5, "auth__skew_plus5s": 5, "auth__skew_minus30s": -30}
SKEWS_S = AUTH_CASES | {"auth__skew_minus5min": -300, "auth__skew_plus5min": 300}


def shape(value: Any, at: str = "") -> dict[str, str]:
    """Path -> JSON type; a list's items are laid over each other."""
    if isinstance(value, dict):
        found = {at or ".": "object"}
        for key, item in value.items():
            found |= shape(item, f"{at}.{key}")
        return found
    if isinstance(value, list):
        found = {at: "list"}
        for item in value:
            found |= shape(item, f"{at}[]")
        return found
    kinds = {bool: "bool", int: "number", float: "number", str: "string", type(None): "null"}
    return {at: kinds[type(value)]}


def differences(recorded: Any, ours: Any) -> set[str]:
    theirs, mine = shape(recorded), shape(ours)
    found = {f"only recorded: {p}" for p in theirs.keys() - mine.keys()}
    found |= {f"only ours: {p}" for p in mine.keys() - theirs.keys()}
    return found | {f"type: {p}" for p in theirs.keys() & mine.keys() if theirs[p] != mine[p]}


def unexplained(found: set[str]) -> set[str]:
    """Differences whose field is in none of the lists above."""
    known = REMOVED.keys() | ADDED.keys() | KIND
    return {d for d in found if not known & set(d.replace("[]", "").split(": ")[1].split("."))}


def demo_venue() -> Venue:
    """The account as the session found it: two contracts bought at 0.99 four minutes before."""
    venue = make_venue(
        names=("craig",),
        start_us=REFUSED_LONG_AGO * 1000,
        cash=100 * MONEY_SCALE,
        tier="basic",
        burst_seconds=1,
        read_lag_us=MICROS // 2,
    )
    market = add_market(venue.exchange, TRADED)
    state = venue.exchange.state
    book_replaced(state, market, [], [(9900, 200)])
    for _ in range(2):
        venue.clients["craig"].place(price="0.9900", count="1.00", ticker=TRADED)
    book_replaced(state, market, [(4700, 300)], [(5200, 300)])
    taped = add_market(venue.exchange, TAPED)
    book_replaced(state, taped, [], [(300, 5_000)])
    for _ in range(14):
        crowd_takes(state, taped, Side.BID, 300, 100)
    for i, status in enumerate([MarketStatus.FINALIZED, MarketStatus.DETERMINED] + [MarketStatus.ACTIVE] * 12):
        other = add_market(venue.exchange, f"KXOTHER-26JUN11-T{i}")
        other.status = status
        if status is not MarketStatus.ACTIVE:
            other.result, other.settlement_value = "no", 0
        if status is MarketStatus.FINALIZED:
            other.settled_us = venue.clock.now_us()
    return venue


def headers_for(client: Client, case: dict[str, Any], path: str) -> dict[str, str]:
    auth, method = case["auth"], case["method"]
    if auth == "unauthenticated" or auth.startswith("NONE"):
        return {}
    headers = client.headers(method, path, skew_ms=SKEWS_S.get(case["stage"], 0) * 1000)
    if auth == "bad-signature":
        headers = client.headers(method, path, signed_path="/trade-api/v2/elsewhere")
    elif auth == "unknown-key-id":
        headers["kalshi-access-key"] = "00000000-0000-0000-0000-000000000000"
    elif auth == "missing-signature-header":
        del headers["kalshi-access-signature"]
    return headers


def replay() -> list[tuple[dict[str, Any], int, Any]]:
    venue = demo_venue()
    client = venue.clients["craig"]
    ids: dict[str, str] = {}
    answers = []
    for case in SESSION["rest"]:
        if case["at_ms"] is not None:
            venue.clock.set(case["at_ms"] * 1000)
        target = case["path"]
        for recorded_id, own_id in ids.items():
            target = target.replace(recorded_id, own_id)
        parts = urlsplit(target)
        body = b"" if case["request"] is None else json.dumps(case["request"]).encode()
        headers = headers_for(client, case, parts.path)
        status, answer = venue.raw(Request(case["method"], parts.path, parts.query, headers, body))
        if isinstance(answer, dict) and "order_id" in answer:
            ids[case["body"]["order_id"]] = answer["order_id"]
        answers.append((case, status, answer))
    return answers


ANSWERS = replay()
NAMES = [case["stage"] for case, _, _ in ANSWERS]


def test_whole_session_was_replayed() -> None:
    assert len(ANSWERS) == 57


@pytest.mark.parametrize(("case", "status", "answer"), ANSWERS, ids=NAMES)
def test_status_and_code_agree(case: dict[str, Any], status: int, answer: Any) -> None:
    if case["stage"] in RETIRED:
        assert (status, answer["error"]["code"]) == (410, "deprecated_v1_order_endpoint")
        assert case["status"] == RETIRED[case["stage"]]
        return
    assert status == case["status"], answer
    if status >= 400:
        recorded = case["body"].get("error", case["body"])
        ours = answer.get("error", answer)
        for part in ("code", "message", "details", "msg"):
            assert ours.get(part) == recorded.get(part)


@pytest.mark.parametrize(("case", "status", "answer"), ANSWERS, ids=NAMES)
def test_body_shape_agrees(case: dict[str, Any], status: int, answer: Any) -> None:
    if case["stage"] not in RETIRED:
        assert unexplained(differences(case["body"], answer)) == set()


def by_stage(stage: str) -> tuple[Any, Any]:
    case, _, answer = ANSWERS[NAMES.index(stage)]
    return case["body"], answer


def test_money_of_the_session_agrees_to_the_last_digit() -> None:
    recorded, ours = by_stage("auth__balance_ok")
    for key in ("balance", "balance_dollars", "balance_breakdown"):
        assert ours[key] == recorded[key]
    recorded, ours = by_stage("orders__create_v2_taker_ioc")
    for key in ("average_fee_paid", "average_fill_price", "fill_count", "remaining_count"):
        assert ours[key] == recorded[key]
    recorded, ours = by_stage("fills__after_taker")
    key_fields = (
        "count_fp",
        "fee_cost",
        "yes_price_dollars",
        "no_price_dollars",
        "is_taker",
        "book_side",
        "action",
        "side",
    )
    assert [[f[k] for k in key_fields] for f in ours["fills"]] == [
        [f[k] for k in key_fields] for f in recorded["fills"]
    ]
    recorded, ours = by_stage("portfolio__positions")
    for kind in ("market_positions", "event_positions"):
        for key, value in recorded[kind][0].items():
            if key not in REMOVED and key != "last_updated_ts":
                assert ours[kind][0][key] == value, key


def test_read_lag_shows_a_canceled_order_as_resting_as_recorded() -> None:
    recorded, ours = by_stage("orders__get_after_cancel")
    assert recorded["order"]["status"] == ours["order"]["status"] == "resting"


def test_every_listed_field_really_differs() -> None:
    """A list that explains nothing any more must shrink."""
    found: set[str] = set()
    for case, _, answer in ANSWERS:
        if case["stage"] not in RETIRED:
            for difference in differences(case["body"], answer):
                found |= set(difference.replace("[]", "").split(": ")[1].split("."))
    assert REMOVED.keys() <= found
    assert ADDED.keys() - {"sending_ts_ms"} <= found


@pytest.mark.parametrize("name", ["noleg", "yes"])
def test_socket_frames_have_the_recorded_shape(name: str) -> None:
    venue = demo_venue()
    socket = venue.clients["craig"].socket()
    recorded = SESSION["ws"][name]
    socket.raw(json.dumps(recorded["command"]))
    market = venue.exchange.market(TRADED)
    crowd_takes(venue.exchange.state, market, Side.ASK, 4700, 100)
    ours = {f["type"]: f for f in reversed(socket.seen + socket.take())}
    for frame in recorded["frames"]:
        assert unexplained(differences(frame, ours[frame["type"]])) == set()
        assert list(frame)[:2] == list(ours[frame["type"]])[:2]
    no_price = ours["orderbook_snapshot"]["msg"]["no_dollars_fp"][0][0]
    assert no_price == ("0.4800" if name == "noleg" else "0.5200")
    assert recorded["frames"][2]["msg"]["no_dollars_fp"][0][0] == no_price
