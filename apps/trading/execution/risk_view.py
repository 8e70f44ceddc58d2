"""The gate in the sending process: what the session knows, as the engine's rules ask for it.

Every path to the exchange asks `RiskBook.judge` before it reserves an order; nothing else builds a risk view.
"""

from __future__ import annotations

from collections.abc import Mapping

from apps.engine.exposure import ExposureTree, NodeKey, NodeLevel, market_use
from apps.engine.limits import Breach, Limit, LimitRule, RiskDecision, RiskLimits, RiskView, check_intent, measures
from apps.engine.sizing import fit_to_limits
from apps.engine.types import ONE_DOLLAR, Level, Money, OrderIntent, Price, Quantity, Side, Ticker

from .blotter import WorkingOrder
from .context import MarketDesk, SessionContext

REFRESH_MS = 1_000
VISIBLE_LEVELS = 10


class RiskBook:
    """Keeps the tree of limits true to the blotter and the portfolio, and judges orders against it.

    The market that is judged, and those that orders were allowed in since, are counted afresh each time; the others
    once a second, a few at a time. In between they can only count too much: a fill or cancel never raises the worst
    case of a market.
    """

    def __init__(self, context: SessionContext) -> None:
        self.tree = ExposureTree()
        self.nav_floor: Money | None = None
        self._context = context
        self._allowed_in: set[Ticker] = set()
        self._held_paths: Mapping[Ticker, tuple[NodeKey, ...]] = {}
        self._round_ms: int | None = None
        self._caught_up_ms = 0
        self._to_count: list[Ticker] = []
        self._limits_of: tuple[list[RiskLimits], list[Limit]] = ([], [])

    def judge(self, desk: MarketDesk, intent: OrderIntent) -> RiskDecision:
        """The verdict on one order; an allowed one counts as sent against the rates from now on."""
        verdict = check_intent(intent, desk.armed.limits, self.view(desk, intent))
        if verdict.rule is LimitRule.INPUT_INVALID:
            self._context.watch.on_bad_number(verdict.reason, desk.ticker)
        elif verdict.rule is LimitRule.RESTRICTED and self._context.desks.get(desk.ticker) is desk:
            # Not for a person's order, which is judged by a view of the market of its own.
            self._context.watch.on_restricted(desk.ticker)
        if verdict.allowed:
            self._allowed_in.add(desk.ticker)
            self.tree.note_order(desk.ticker, self._context.clock.now_ms())
        return verdict

    def fit(self, desk: MarketDesk, intent: OrderIntent) -> OrderIntent | None:
        """The largest order up to this one that would be allowed now; it has to be judged before it is sent."""
        return fit_to_limits(intent, desk.armed.limits, self.view(desk, intent))[0]

    def view(self, desk: MarketDesk, intent: OrderIntent) -> RiskView:
        """What is known for an order in a market at this moment."""
        context, ticker, now_ms = self._context, desk.ticker, self._context.clock.now_ms()
        self._bring_up_to_date(desk)
        bids, asks = self._open_levels(ticker)
        limits = desk.armed.limits
        needs_depth = limits is not None and LimitRule.MAX_DEPTH_SHARE in limits.inherited
        return RiskView(
            trading_state=context.trading_state(desk),
            position=context.portfolio.position(ticker).quantity,
            resting_bids=sum(quantity for _, quantity in bids),
            resting_asks=sum(quantity for _, quantity in asks),
            nodes=self.tree.path_use(ticker, now_ms),
            own_opposite=self._prices_opposite(ticker, intent.side),
            restrictions=desk.armed.restrictions,
            depth=self._visible_depth(desk, intent) if needs_depth else None,
            nav=self.nav_floor,
        )

    def know_paths(self, paths: Mapping[Ticker, tuple[NodeKey, ...]]) -> None:
        """Places of markets that are held and not armed (`armed.held_paths`)."""
        self._held_paths = paths
        self._round_ms = None

    def breaches(self) -> list[Breach]:
        """Limits that what we hold and rest exceeds at this moment, as after a fill or a lowered limit."""
        return [measure for measure in self.measures() if measure.is_broken]

    def measures(self) -> list[Breach]:
        """Every limit of a node and what it measures; contracts per market count what is held at this moment."""
        self.keep_up()
        self._count_allowed()
        now_ms = self._context.clock.now_ms()
        found = measures(self._limits_in_force(), lambda node: self.tree.use(node, now_ms), self.nav_floor)
        rule = LimitRule.MAX_CONTRACTS_PER_MARKET
        for desk in self._context.desks.values():
            most = None if desk.armed.limits is None else desk.armed.limits.inherited.get(rule)
            if most is not None:
                held = abs(self._context.portfolio.position(desk.ticker).quantity)
                found.append(Breach(desk.armed.path[-1], rule, held, most.value))
        return found

    def keep_up(self) -> None:
        """Counts the part of the markets that is due for the time that has passed; call it with the session's timer.

        The first round, and any after `know_paths`, counts all of them at once.
        """
        now_ms = self._context.clock.now_ms()
        passed_ms = REFRESH_MS if self._round_ms is None else now_ms - self._caught_up_ms
        if self._round_ms is None or not 0 <= now_ms - self._round_ms < REFRESH_MS:
            self._count_listed(len(self._to_count))
            self._begin_round(now_ms)
        if passed_ms:
            self._caught_up_ms = now_ms
            self._count_listed(self._share_of_round(passed_ms))

    def _share_of_round(self, passed_ms: int) -> int:
        whole = len(self._context.desks) + len(self._to_count)
        return len(self._to_count) if passed_ms < 0 else min(len(self._to_count), 1 + whole * passed_ms // REFRESH_MS)

    def _count_listed(self, how_many: int) -> None:
        for _ in range(how_many):
            self._count(self._to_count.pop())

    def _bring_up_to_date(self, desk: MarketDesk) -> None:
        self.keep_up()
        self.tree.place(desk.ticker, desk.armed.path)
        self._allowed_in.add(desk.ticker)
        self._count_allowed()

    def _count_allowed(self) -> None:
        for ticker in self._allowed_in:
            self._count(ticker)
        self._allowed_in.clear()

    def _begin_round(self, now_ms: int) -> None:
        """Gives every market its place and lists it for counting; one without desk, holding or order leaves."""
        context, desks = self._context, self._context.desks
        held = {ticker for ticker, position in context.portfolio.positions.items() if position.quantity}
        wanted = held | {order.tracked.ticker for order in context.blotter.open_orders()}
        for ticker in wanted | desks.keys():
            desk = desks.get(ticker)
            if desk is not None:
                self.tree.place(ticker, desk.armed.path)
            elif not self.tree.is_placed(ticker) or ticker in self._held_paths:
                self.tree.place(ticker, self._held_paths.get(ticker) or self._bare_path(ticker))
        for ticker in self.tree.tickers() - wanted - desks.keys():
            self.tree.forget(ticker)
        self._to_count = list(self.tree.tickers())
        self._allowed_in.intersection_update(self._to_count)
        self.nav_floor = self._nav_floor(held)
        self._round_ms = now_ms

    def _limits_in_force(self) -> list[Limit]:
        """Limits of all desks, each once; worked out again only when one of them changed."""
        now = [desk.armed.limits for desk in self._context.desks.values() if desk.armed.limits is not None]
        before, found = self._limits_of
        if len(now) != len(before) or any(a is not b for a, b in zip(now, before, strict=True)):
            found = list(dict.fromkeys(limit for limits in now for limit in limits.limits))
            self._limits_of = (now, found)
        return found

    def _bare_path(self, ticker: Ticker) -> tuple[NodeKey, ...]:
        account = self._context.account
        return (
            NodeKey(NodeLevel.GLOBAL, ""),
            NodeKey(NodeLevel.ENVIRONMENT, account.environment),
            NodeKey(NodeLevel.ACCOUNT, account.name),
            NodeKey(NodeLevel.MARKET, ticker),
        )

    def _count(self, ticker: Ticker) -> None:
        position = self._context.portfolio.position(ticker)
        use = market_use(position.quantity, position.cost, *self._open_levels(ticker))
        self.tree.set_use(ticker, *use)

    def _open_levels(self, ticker: Ticker) -> tuple[list[Level], list[Level]]:
        """Our open bids and asks; an order that is being amended counts at the worse of both.

        What has filled according to the venue, of which the fill has not come yet, counts as if it still rested.
        """
        bids: list[Level] = []
        asks: list[Level] = []
        for order in self._context.blotter.unseen(ticker):
            level = order.tracked.price, order.tracked.missing_fills
            (bids if order.tracked.side is Side.BID else asks).append(level)
        for order in self._context.blotter.open_orders(ticker):
            (bids if order.tracked.side is Side.BID else asks).append(_worst_level(order))
        return bids, asks

    def _prices_opposite(self, ticker: Ticker, side: Side) -> tuple[Price, ...]:
        """Where something of ours may still rest on the other side of the market."""
        opposite = (o for o in self._context.blotter.open_orders(ticker) if o.tracked.side is side.opposite)
        return tuple(price for price, quantity in map(_worst_level, opposite) if quantity > 0)

    def _visible_depth(self, desk: MarketDesk, intent: OrderIntent) -> Quantity | None:
        """What others show within ten levels on the side the order would take from, or else rest on."""
        book = self._context.books.book(desk.ticker)
        if book is None or not book.is_quotable:
            return None
        best = book.best_ask if intent.side is Side.BID else book.best_bid
        takes = best is not None and (intent.price - best) * intent.side.sign >= 0
        side = intent.side.opposite if takes else intent.side
        own = desk.own_shown()
        return sum(max(0, size - own.get((side, price), 0)) for price, size in book.levels(side, VISIBLE_LEVELS))

    def _nav_floor(self, held: set[Ticker]) -> Money:
        """Cash and what the positions would bring at once; one without a bid to sell to counts nothing.

        It is the least the account is worth, and so the safe measure for shares of it; a loss must not be read
        from it.
        """
        total = self._context.portfolio.cash
        for ticker in held:
            position, book = self._context.portfolio.position(ticker), self._context.books.book(ticker)
            exit_price = None
            if book is not None and book.is_quotable:
                exit_price = book.best_bid if position.quantity > 0 else book.best_ask
            if exit_price is not None and 0 <= exit_price <= ONE_DOLLAR:
                total += position.value_at(exit_price)
        return max(total, 0)


def _worst_level(order: WorkingOrder) -> Level:
    tracked = order.tracked
    terms = tracked.amending
    if terms is None:
        return tracked.price, tracked.remaining
    price = max(tracked.price, terms.price) if tracked.side is Side.BID else min(tracked.price, terms.price)
    return price, max(tracked.remaining, terms.quantity - tracked.filled)
