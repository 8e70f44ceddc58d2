"""The case the platform was built after: February 2026, 7,822 orders and not one fill."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from apps.governance.choices import WorkStatus
from apps.governance.proposal_content import Axis, Cause, Change, Figure, OptionContent, ProposalContent

# 2026-02-25 00:02 PST
DATED_AT = datetime(2026, 2, 25, 8, 2, tzinfo=UTC)
AUTHOR = "cliff"
SLOT_OWNERS = {
    "liquidity": "scalper",
    "depth": "scalper",
    "fill-rate": "scalper",
    "sizing": "scalper",
    "alternatives": "scalper",
    "scenario-matrix": "cliff",
}

CONTENT = ProposalContent(
    title="Rebuild the Kalshi strategy after 7,822 orders without a fill",
    problem=(
        "Strategy V8 placed 7,822 orders and not one of them filled. The account lost $77.99, which is 99.99 % of its "
        "capital. The strategy has to be rebuilt before it trades again, and this time on what the market is like."
    ),
    baseline=(
        Figure("Orders placed", "7822", "orders"),
        Figure("Orders filled", "0", "orders"),
        Figure("Orders that failed", "100", "%"),
        Figure("Loss", "77.99", "$"),
        Figure("Capital lost", "99.99", "%"),
    ),
    causes=(
        Cause(
            "Spread, gamma and kappa were set wrong for the liquidity there is",
            "All three are typed, bounded and versioned; a change needs approval",
        ),
        Cause(
            "No adaptation: the same orders were placed again and again without an execution",
            "Like orders without a fill are counted; past a bound the strategy pauses and an incident opens",
        ),
        Cause(
            "Quotes stood inside the spread and never traded",
            "Queue place, time at the touch and distance from it are stored per order",
        ),
        Cause(
            "Fees and rebates were blamed for capital that shrank while realized profit stayed at zero",
            "Without fills there is no trade fee, so cash that nothing explains raises an alert of its own",
        ),
        Cause(
            "Parameters were tuned for a hypothetical market",
            "Fills are modelled on books we recorded; every result says which days it rests on",
        ),
        Cause(
            "Placements were counted, executions were not watched",
            "From order to fill, per strategy, market and hour",
        ),
        Cause(
            "Liquidity was lower than assumed",
            "A liquidity profile per series and category comes before a strategy is armed",
        ),
        Cause(
            "Orders were too large for the depth of the book",
            "Order size is limited as a share of the visible depth",
        ),
    ),
    axes=tuple(
        Axis(regime, metric, unit)
        for metric, unit in (("Fill rate", "% of orders"), ("Net result", "$ per day"))
        for regime in ("Thin books", "Normal books", "Busy books")
    ),
)

OPTIONS = {
    "A": OptionContent(
        name="Tighter market making",
        summary=(
            "Quote narrower for more fills. The causes say that the quotes were too tight already, so only the "
            "scenario matrix can tell which way is right."
        ),
        changes=(
            Change("MM_GAMMA_WEATHER", "0.4", "0.2", "risk aversion"),
            Change("MM_MIN_SPREAD_CENTS", "2", "1", "cents"),
        ),
        pros=("Lower spreads, higher fill rate",),
        cons=("Lower profit per fill", "More capital turnover"),
        trade_off="Less profit per fill, more turnover of capital",
    ),
    "B": OptionContent(
        name="Snipe only, no market making",
        summary="Trade only when the model is highly confident, around settlement.",
        changes=(Change("ENABLE_MARKET_MAKING", "on", "off", "flag"),),
        pros=("Trades only when the model has high confidence",),
        cons=("Fewer orders", "Higher variance"),
        trade_off="Fewer orders, higher variance",
    ),
    "C": OptionContent(
        name="Hybrid and adaptive",
        summary=(
            "Make markets while liquidity is high, snipe while confidence is high. Needs detection of liquidity and "
            "switching between the two, which is new code and not a parameter."
        ),
        pros=("Makes markets when liquidity is high", "Snipes when confidence is high"),
        cons=("More complex", "Harder to debug"),
        trade_off="More complex, harder to debug",
    ),
    "D": OptionContent(
        name="Smaller positions",
        summary="Keep the strategy and make every position small against the depth of the book.",
        changes=(
            Change("MAX_POSITION_PER_MARKET", "30", "5", "contracts"),
            Change("KELLY_FRACTION", "0.25", "0.1", "share"),
        ),
        pros=("Less slippage", "Better fill rates"),
        cons=("Lower absolute profit",),
        trade_off="Lower absolute profit",
    ),
}


class Task(NamedTuple):
    """A line of the tracking table; `after` are positions of the lines it waits for."""

    title: str
    owners: tuple[str, ...]
    status: WorkStatus
    due_after: timedelta
    estimate: str
    after: tuple[int, ...] = ()


TASKS = (
    Task("Market analysis", ("scalper",), WorkStatus.DOING, timedelta(hours=1), "1 h"),
    Task(
        "Parameter optimization", ("cliff",), WorkStatus.WAITING, timedelta(hours=3), "2 h after market analysis", (0,)
    ),
    Task("Strategy decision", ("craig",), WorkStatus.TODO, timedelta(hours=3), "3 h", (0, 1)),
    Task("Implementation", ("cliff", "scalper"), WorkStatus.TODO, timedelta(hours=6), "6 h", (2,)),
    Task("Testing", ("scalper",), WorkStatus.TODO, timedelta(hours=12), "12 h", (3,)),
    Task("Restart V8", ("scalper",), WorkStatus.TODO, timedelta(hours=18), "18 h", (4,)),
    Task("Watch live results", ("cliff", "scalper"), WorkStatus.TODO, timedelta(days=7), "week 1", (5,)),
    Task("Adjust parameters from fill rates", ("scalper",), WorkStatus.TODO, timedelta(days=7), "week 1", (6,)),
    Task("Document what works", ("cliff",), WorkStatus.TODO, timedelta(days=7), "week 1", (6,)),
)
