"""The register itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from apps.engine.errors import InvariantBroken

from .categories import category_of
from .model import CatalogEntry, CatalogUnit, Home, Tombstone, UnknownName, plain
from .reads import READS, kernel_name

U = CatalogUnit
E = CatalogEntry

# fmt: off
_MAKING = (
    E(name="ENABLE_MARKET_MAKING", unit=U.FLAG, default="off", risk=1, meaning="Rest quotes; off only takes"),
    E(name="MM_GAMMA", unit=U.NUMBER, default="0.4", low="0.01", high="5", risk=-1,
      meaning="Risk aversion: the larger, the wider the quotes and the sooner a position is let go"),
    E(name="MM_KAPPA", unit=U.NUMBER, default=None, low="0.1", high="100", needed_by=("avellaneda_stoikov",),
      meaning="How fast orders thin out away from the middle; calibrated from our own records"),
    E(name="MM_MIN_SPREAD_CENTS", unit=U.CENTS, default="2", low="0.01", risk=-1,
      meaning="Quote only where others' spread is at least this, and at least one tick"),
    E(name="MAKER_SHARE_ROLLOUT", unit=U.PERCENT, default="20", low="0", high="100", risk=-1,
      meaning="Share of markets that rest quotes in hybrid mode; the others take"),
)
_SIZE = (
    E(name="MAX_POSITION_PER_MARKET", unit=U.CONTRACTS, default="5", low="1", high="1000000", risk=1,
      meaning="Largest YES or NO position the strategy builds; the tree of limits may be tighter"),
    E(name="KELLY_FRACTION", unit=U.SHARE, default="0.25", low="0", high="0.5", risk=1,
      meaning="Share of full Kelly that is invested"),
    E(name="DRAWDOWN_KELLY", unit=U.SHARE, default="0.1", low="0", high="0.5", risk=1, home=Home.PLATFORM,
      where="draw-down ladder: smaller stakes", meaning="Share of Kelly once the draw-down trigger is reached"),
    E(name="DRAWDOWN_KELLY_TRIGGER", unit=U.SHARE, default="0.05", low="0", high="1", risk=1, home=Home.PLATFORM,
      where="draw-down ladder: first rung", meaning="Loss from the high-water mark at which stakes shrink"),
    E(name="MIN_EDGE", unit=U.PERCENT, default="2", low="0", high="50", risk=-1,
      meaning="Take only what is this much of a dollar better per contract, after the fee"),
)
_LIMITS = (
    E(name="MAX_ORDER_DOLLARS", unit=U.DOLLARS, default="500", low="0", risk=1, home=Home.LIMIT,
      where="limit Dollars per order", meaning="Largest order"),
    E(name="CAP_THEME", unit=U.PERCENT_NAV, default="15", low="0", high="100", risk=1, home=Home.LIMIT,
      where="limit Share of NAV on each theme", meaning="Dollars at risk on markets that move together"),
    E(name="CAP_CATEGORY", unit=U.PERCENT_NAV, default="20", low="0", high="100", risk=1, home=Home.LIMIT,
      where="limit Share of NAV on each category", meaning="Dollars at risk in one category"),
    E(name="CAP_CORRELATED", unit=U.PERCENT_NAV, default="25", low="0", high="100", risk=1, home=Home.LIMIT,
      where="limit Share of NAV on the account", meaning="Loss when everything correlated goes wrong together"),
    E(name="CAP_TOTAL", unit=U.PERCENT_NAV, default="20", low="0", high="100", risk=1, home=Home.LIMIT,
      where="limit Share of NAV on the account", meaning="Dollars at risk in all, at the live-small stage"),
    E(name="CAP_PER_GAME", unit=U.DOLLARS, default=None, low="0", risk=1, needed_by=("pregame", "in_game"),
      meaning="Dollars at risk on one game"),
    E(name="LIVE_SMALL_CAP", unit=U.DOLLARS, default="100", low="100", high="500", risk=1,
      where="promotion ladder", meaning="Most dollars at risk while real money is new to the strategy"),
    E(name="TRACK_RECORD_DAYS", unit=U.DAYS, default="14", low="7", high="365", risk=-1,
      where="promotion ladder", meaning="Days at small size before the size may grow"),
)
_GUARDS = (
    E(name="DAILY_LOSS_HALT", unit=U.PERCENT_NAV, default="10", low="0", high="100", risk=1, home=Home.SWITCH,
      where="switch K1", meaning="Loss of the day at which trading halts"),
    E(name="DAILY_LOSS_WARN", unit=U.PERCENT_NAV, default="5", low="0", high="100", risk=1, home=Home.SWITCH,
      where="switch K1", meaning="Loss of the day at which a warning shows"),
    E(name="API_ERROR_RATE_HALT", unit=U.PERCENT, default="5", low="0", high="100", risk=1, home=Home.SWITCH,
      where="switch K5", meaning="Failed calls in 60 seconds, of at least 20, at which trading halts"),
    E(name="FEED_STALE_SECONDS", unit=U.SECONDS, default="5", low="0.001", high="600", risk=1,
      meaning="Longest silence of a feed that quotes may rest on"),
    E(name="PRICE_SANITY_MIN", unit=U.DOLLARS, default="0.02", low="0.0001", high="0.9999", risk=-1,
      meaning="Lowest YES price of an order"),
    E(name="PRICE_SANITY_MAX", unit=U.DOLLARS, default="0.98", low="0.0001", high="0.9999", risk=1,
      meaning="Highest YES price of an order"),
)
_PLATFORM = (
    E(name="VERIFY_INTERVAL", unit=U.SECONDS, default="5", low="1", high="60", risk=1, home=Home.PLATFORM,
      where="comparison with the exchange, in code", meaning="How often our records are held against the exchange's"),
    E(name="DECISION_INTERVAL", unit=U.MILLISECONDS, default="100", low="20", high="60000", risk=0, home=Home.PLATFORM,
      where="timer of the session, in code", meaning="How often markets that nothing else looked at are decided"),
    E(name="RECONNECT_MIN", unit=U.SECONDS, default="1", low="0", risk=0, home=Home.PLATFORM,
      where="connection to the exchange, in code", meaning="Shortest wait before a new connection"),
    E(name="RECONNECT_MAX", unit=U.SECONDS, default="60", low="0", risk=0, home=Home.PLATFORM,
      where="connection to the exchange, in code", meaning="Longest wait before a new connection"),
    E(name="RATE_BACKOFF", unit=U.MILLISECONDS, default="1000", low="0", risk=0, home=Home.PLATFORM,
      where="connection to the exchange, in code", meaning="Longest pause after the exchange said too many requests"),
    E(name="PAPER_START_CASH", unit=U.DOLLARS, default="10000", low="0", risk=0, home=Home.PLATFORM,
      where="simulated exchange", meaning="Cash a simulated account begins with"),
)
_FEEDS = (
    E(name="NWS_POLL", unit=U.SECONDS, default="60", low="1", high="3600", risk=0, meaning="Weather service"),
    E(name="FEDWATCH_POLL", unit=U.SECONDS, default="300", low="1", high="86400", risk=0, meaning="Interest rates"),
    E(name="ESPN_POLL", unit=U.SECONDS, default="10", low="1", high="3600", risk=0, meaning="Scores and plays"),
    E(name="BLEND_WEIGHT_ESPN", unit=U.SHARE, default=None, low="0", high="1", needed_by=("in_game",),
      meaning="Weight of the outside probability against our own"),
)
_GAMES = (
    E(name="PREGAME_ENTRY_WINDOW", unit=U.SECONDS, default=None, low="0", risk=1, needed_by=("pregame",),
      meaning="How long before the start entries may begin"),
    E(name="PREGAME_MAX_ATTEMPTS", unit=U.COUNT, default="1", low="1", high="10", risk=1,
      meaning="Entries tried per game"),
    E(name="PREGAME_REENTRY", unit=U.FLAG, default="off", risk=1, meaning="Enter a game again after leaving it"),
    E(name="LOCK_ATTEMPTS_MAX", unit=U.COUNT, default=None, low="1", risk=1, needed_by=("in_game",),
      meaning="Tries to lock a result in"),
    E(name="LOCK_PROFIT", unit=U.DOLLARS, default=None, low="0", risk=-1, needed_by=("in_game",),
      meaning="Result at which a position is locked in"),
    E(name="TAKE_PROFIT", unit=U.DOLLARS, default=None, low="0", risk=0, needed_by=("in_game", "mean_reversion"),
      meaning="Result at which a position is closed"),
    E(name="STOP_LOSS", unit=U.DOLLARS, default=None, low="0", risk=1, needed_by=("in_game", "mean_reversion"),
      meaning="Loss at which a position is closed"),
    E(name="MR_WINDOW", unit=U.SECONDS, default=None, low="1", needed_by=("mean_reversion",),
      meaning="How far back the mean looks"),
    E(name="MR_WARMUP", unit=U.SECONDS, default=None, low="0", risk=-1, needed_by=("mean_reversion",),
      meaning="How long prices are watched before the first order"),
    E(name="MR_MIN_RANGE", unit=U.CENTS, default=None, low="0", risk=-1, needed_by=("mean_reversion",),
      meaning="Smallest range of prices that is traded"),
)
# fmt: on

# Names that may never be used again, for the record and for a fresh database; see `services.names`.
RETIRED: dict[str, Tombstone] = {}

# By kernel field: +1 where a larger value (a later choice) lets us lose more, -1 where a smaller one does, 0 neither.
RISK_SIGN = {
    "min_spread": -1,
    "order_quantity": 1,
    "max_position": 1,
    "quote_bid": 1,
    "quote_ask": 1,
    "refresh_tolerance_ticks": 0,
    "min_price": -1,
    "max_price": 1,
    "max_feed_age_ms": 1,
    "execution_mode": 1,
    "taker_share_bps": 1,
    "taker_time_in_force": 0,
    "max_slippage": 1,
    "min_edge": -1,
    "reference_ms": 0,
    "fade_ticks": -1,
    "fade_after_fill_ms": -1,
    "max_queue_ahead": 0,
}


def by_name(entries: Iterable[CatalogEntry], retired: Mapping[str, Tombstone]) -> dict[str, CatalogEntry]:
    """The register; raises `InvariantBroken` for a name used twice, or used again after it was retired."""
    found: dict[str, CatalogEntry] = {}
    for known in entries:
        if known.name in found or known.name in retired:
            raise InvariantBroken(f"the parameter name {known.name} was used before")
        found[known.name] = known
    return found


CATALOG = by_name((*_MAKING, *_SIZE, *_LIMITS, *_GUARDS, *_PLATFORM, *_FEEDS, *_GAMES), RETIRED)


def resolve(name: str) -> tuple[CatalogEntry, str | None]:
    """The entry of a name and the category its ending says, None for every category. Raises `UnknownName`."""
    if name in CATALOG:
        return CATALOG[name], None
    found = category_of(name)
    if found is not None and found[0] in CATALOG and CATALOG[found[0]].home is Home.PARAMETER_SET:
        return CATALOG[found[0]], found[1]
    retired = RETIRED.get(name)
    raise UnknownName(name, "no such parameter" if retired is None else f"retired {retired.retired}: {retired.reason}")


def entry(name: str) -> CatalogEntry:
    """Raises `UnknownName`."""
    return resolve(name)[0]


def field_bounds(field: str, low: str, high: str) -> str:
    """What a kernel's field may be, in its own unit: the kernel's bounds, or the catalog's where they are tighter."""
    name = kernel_name(field)
    known, reads = (None, None) if name is None else (CATALOG[name], READS[name])
    if known is not None and reads is not None and known.low is not None:
        ends = [Decimal(reads.to_kernel(end, "")) for end in (known.low, known.high or known.low)]
        low = max(low, plain(min(ends)), key=Decimal)
        high = min(high, plain(max(ends)), key=Decimal) if known.high is not None else high
    return f"{low} to {high}"


def must_be_set(kernel: str) -> tuple[CatalogEntry, ...]:
    """Parameters without a default that this kernel cannot be armed without."""
    return tuple(known for known in CATALOG.values() if known.default is None and kernel in known.needed_by)
