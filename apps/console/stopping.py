"""What can be stopped, with what rests in each by our records."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from apps.marketdata.models import Event, Market, Series
from apps.risk.choices import Scope
from apps.risk.models import Theme
from apps.risk.scopes import checked_scope, scope_text
from apps.trading.models import Account, Order, StrategyConfig
from apps.trading.selectors import OPEN_STATUSES, position_list

Choice = tuple[str, str]
EVERYTHING = f"{Scope.GLOBAL.value}:"
WHOLE_ACCOUNTS = (Scope.GLOBAL, Scope.ACCOUNT, Scope.ENVIRONMENT)
_COLUMNS = {
    Scope.ACCOUNT: "account__name",
    Scope.ENVIRONMENT: "account__environment",
    Scope.STRATEGY: "config__version__strategy__slug",
    Scope.SERIES: "market__event__series__ticker",
    Scope.EVENT: "market__event__ticker",
    Scope.MARKET: "market__ticker",
}
_TICKERS = (Scope.SERIES, Scope.EVENT, Scope.MARKET)


@dataclass(frozen=True, slots=True)
class Resting:
    """Open orders by our records: in all, and per (scope, id)."""

    total: int
    by_scope: Counter[tuple[str, str]]

    def of(self, scope: str, scope_id: str) -> int:
        return self.total if scope == Scope.GLOBAL else self.by_scope[scope, scope_id]


def resting_count() -> Resting:
    """Open orders of every account; a theme counts those in any of its members."""
    rows = list(Order.objects.filter(status__in=OPEN_STATUSES).values_list(*_COLUMNS.values()))
    by_scope: Counter[tuple[str, str]] = Counter()
    for row in rows:
        by_scope.update((scope.value, which) for scope, which in zip(_COLUMNS, row, strict=True) if which)
    tickers = [set(row[-len(_TICKERS) :]) for row in rows]
    for slug, members in Theme.objects.values_list("slug", "members"):
        by_scope[Scope.THEME.value, slug] = sum(not names.isdisjoint(members) for names in tickers)
    return Resting(len(rows), by_scope)


def simple_choices(*, account: str, market: str) -> list[Choice]:
    """For the question that opens over a page: no reading, no waiting."""
    found = [(EVERYTHING, "Everything, on all accounts")]
    if account:
        found.append((f"{Scope.ACCOUNT.value}:{account}", f"Account {account}"))
    if market:
        found.append((f"{Scope.MARKET.value}:{market}", f"Market {market}"))
    return found


def all_choices(*, resting: Resting, also: str = "") -> list[tuple[str, list[Choice]]]:
    """Everything that trades, holds or rests, by kind; `also` ("scope:id") is offered whether it does or not."""
    named = {scope: {which for kind, which in resting.by_scope if kind == scope} for scope in _COLUMNS}
    named[Scope.ACCOUNT] |= set(Account.objects.filter(is_active=True).values_list("name", flat=True))
    configs = StrategyConfig.objects.select_related("version__strategy")
    named[Scope.STRATEGY] |= {config.version.strategy.slug for config in configs}
    armed = {ticker for config in configs if config.is_enabled for ticker in config.markets}
    named[Scope.SERIES] |= set(Series.objects.filter(ticker__in=armed).values_list("ticker", flat=True))
    named[Scope.EVENT] |= set(Event.objects.filter(ticker__in=armed).values_list("ticker", flat=True))
    for account in Account.objects.filter(is_active=True):
        named[Scope.MARKET] |= {row.ticker for row in position_list(account=account)}
    named[Scope.THEME] = set(Theme.objects.values_list("slug", flat=True))
    del named[Scope.ENVIRONMENT]
    kind, _, which = also.partition(":")
    if kind in named and which:
        named[Scope(kind)].add(which)
    kinds = (Scope.ACCOUNT, Scope.STRATEGY, Scope.THEME, *_TICKERS)
    groups = [
        (_plural(scope), [_choice(scope, which, resting) for which in sorted(named[scope])])
        for scope in kinds
        if named[scope]
    ]
    return [("Everything", [_choice(Scope.GLOBAL, "", resting)]), *groups]


def target_of(text: str) -> str:
    """ "scope:id" of a market, event or series by its ticker, or of a well-formed "scope:id"; "" for anything else."""
    text = text.strip()
    scope, colon, which = text.partition(":")
    if colon and scope in Scope.values:
        return text if which else ""
    for model, kind in ((Market, Scope.MARKET), (Event, Scope.EVENT), (Series, Scope.SERIES)):
        if text and model.objects.filter(ticker=text.upper()).exists():
            return f"{kind.value}:{text.upper()}"
    return ""


def is_target(text: str) -> bool:
    """Whether "scope:id" names something that could be stopped, offered or not: a stop is never refused for being
    out of a list.
    """
    scope, colon, which = text.partition(":")
    if not colon or scope not in Scope.values:
        return False
    return bool(which) != (scope == Scope.GLOBAL)


def target_text(text: str) -> str:
    scope, _, which = text.partition(":")
    return scope_text(*checked_scope(scope, which))


def _choice(scope: Scope, which: str, resting: Resting) -> Choice:
    count = resting.of(scope, which)
    name = "Everything, on all accounts" if scope is Scope.GLOBAL else f"{scope.label} {which}"
    return f"{scope.value}:{which}", f"{name} · {count} resting"


def _plural(scope: Scope) -> str:
    return {Scope.STRATEGY: "Strategies", Scope.SERIES: "Series"}.get(scope, f"{scope.label}s")
