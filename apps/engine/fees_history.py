"""Fees before the API reported them: the published fee schedules by the date they took effect.

From the exchange's dated fee schedule documents (July 2021 to February 2026). Since October 2025 they no
longer list the maker-fee series; the last list stands, as far as the API's series catalogue of 2026-07-28
confirms it. For live trading use the API's own fields in `fees.FeeSchedule`; this is for replays.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

from .errors import BadNumber, UnknownFeeType
from .fees import FREE, MAKER, MULTIPLIER_SCALE, TAKER, FeeRule, Form, Formula, Formulas

FIRST_DAY = date(2021, 7, 1)
TAKER_2021 = Formula(Form.QUADRATIC, 1400)
TAKER_2021_UNTIL = date(2021, 8, 1)
INDEX_TAKER = Formula(Form.QUADRATIC, 350)
INDEX_SINCE = date(2022, 9, 26)
INDEX_PREFIXES = ("INX", "NASDAQ100")
MAKER_2025 = Formula(Form.FLAT_PER_CONTRACT, 25)

# The first two as the API reported them on 2026-08-20, the third read off the fees recorded that month.
RECORDED_SINCE = date(2026, 8, 1)
RECORDED_RULES: Mapping[str, FeeRule] = {
    "KXMLBGAME": FeeRule.of("quadratic_with_maker_fees", "0.5"),
    "KXMLBSPREAD": FeeRule.of("quadratic", "0.5"),
    "KXMLBKS": FeeRule.of("quadratic", "0.5"),
}

# Each list as the series that joined and left since the one before it.
_MAKER_CHANGES: tuple[tuple[date, Formula, str, str], ...] = (
    (
        date(2025, 5, 13),
        MAKER_2025,
        """
        KXAAAGASM KXCPI KXCPIYOY KXEGGS KXFED KXFEDDECISION KXFOMENSINGLES KXFOWOMENSINGLES KXGDP
        KXINDY500 KXNBA KXNBAEAST KXNBASERIES KXNBAWEST KXNHL KXNHLEAST KXNHLSERIES KXNHLWEST
        KXPAYROLLS KXPGA KXPGARYDER KXPGASOLHEIM KXTHEOPEN KXU3 KXUSOMENSINGLES KXUSOPEN
        KXUSOWOMENSINGLES KXWMENSINGLES KXWWOMENSINGLES
        """,
        "",
    ),
    (
        date(2025, 6, 5),
        MAKER_2025,
        """
        KXAOMENSINGLES KXAOWOMENSINGLES KXCONNSMYTHE KXFOMEN KXFOWOMEN KXNBAFINALSMVP KXNBAGAME
        KXNFLGAME KXNHLGAME KXUEFACL
        """,
        "",
    ),
    (
        date(2025, 7, 8),
        MAKER,
        """
        KXATPMATCH KXCLUBWC KXMLBASGAME KXMLBHRDERBY KXNASCARRACE KXNATHANDOGS KXNATHANSHD
        KXTOURDEFRANCE KXWTAMATCH
        """,
        "",
    ),
    (
        date(2025, 9, 2),
        MAKER,
        """
        KXBTCMAX KXBTCMAX125 KXBTCMAX150 KXBTCMIN KXEMMYCACTO KXEMMYCACTR KXEMMYCSERIES KXEMMYDACTO
        KXEMMYDACTR KXEMMYDSERIES KXEPL KXEPLGAME KXEPLTOP4 KXETHMAX KXETHMIN KXF1RACE
        KXF1RACEPODIUM KXHEISMAN KXINXY KXIPO KXLLM1 KXMLB KXMLBAL KXMLBNL KXNASDAQ100Y KXNCAAF
        KXNCAAFACC KXNCAAFB10 KXNCAAFB12 KXNCAAFGAME KXNCAAFSEC KXNFLAFCCHAMP KXNFLAFCEAST
        KXNFLAFCNORTH KXNFLAFCSOUTH KXNFLAFCWEST KXNFLCOTY KXNFLCPOTY KXNFLDPOTY KXNFLDROTY KXNFLMVP
        KXNFLNFCCHAMP KXNFLNFCEAST KXNFLNFCNORTH KXNFLNFCSOUTH KXNFLNFCWEST KXNFLOPOTY KXNFLOROTY
        KXNFLWINS KXPGATOUR KXRATECUTCOUNT KXSB KXSUPERBOWLHEADLINE
        """,
        "",
    ),
    (
        date(2025, 9, 17),
        MAKER,
        """
        KXBALLONDOR KXNASCAR KXNFL2TD KXNFLANYTD KXNFLFIRSTTD KXNFLSPREAD KXNFLTOTAL KXUCL KXUCLGAME
        """,
        """
        KXAOWOMENSINGLES KXBTCMAX KXBTCMIN KXEPL KXETHMAX KXETHMIN KXNFLWINS
        """,
    ),
)


def _maker_lists() -> tuple[tuple[date, Formula, frozenset[str]], ...]:
    lists: list[tuple[date, Formula, frozenset[str]]] = []
    listed: frozenset[str] = frozenset()
    for since, formula, joined, left in _MAKER_CHANGES:
        listed = listed.union(joined.split()).difference(left.split())
        lists.append((since, formula, listed))
    return tuple(reversed(lists))


MAKER_LISTS = _maker_lists()


def taker_formula(day: date, market: str) -> Formula:
    """Taker formula of a market (its ticker) on a day; `UnknownFeeType` before July 2021."""
    if day < FIRST_DAY:
        raise UnknownFeeType(f"no fee schedule is known for {day.isoformat()}")
    if day < TAKER_2021_UNTIL:
        return TAKER_2021
    if day >= INDEX_SINCE and market.startswith(INDEX_PREFIXES):
        return INDEX_TAKER
    return TAKER


def maker_formula(day: date, series: str) -> Formula:
    """Maker formula of a series on a day: free unless that day's list names it."""
    for since, formula, listed in MAKER_LISTS:
        if day >= since:
            return formula if series in listed else FREE
    return FREE


def series_of(ticker: str) -> str:
    """Series part of a market or event ticker: what stands before the first dash."""
    return ticker.partition("-")[0]


def rule_on(at: datetime, ticker: str) -> FeeRule:
    """Published or recorded fee rule of a market at an aware time. `UnknownFeeType` before July 2021."""
    if at.tzinfo is None:
        raise BadNumber(f"time without a zone: {at.isoformat()}")
    day = at.astimezone(UTC).date()
    recorded = RECORDED_RULES.get(series_of(ticker))
    if recorded is not None and day >= RECORDED_SINCE:
        return recorded
    formulas = Formulas(taker_formula(day, ticker), maker_formula(day, series_of(ticker)))
    return FeeRule("published_schedule", MULTIPLIER_SCALE, formulas)
