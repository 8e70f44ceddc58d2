"""Which resting orders a stop takes off."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from apps.engine.ports import VenueOrder
from apps.risk.choices import Scope
from apps.risk.scopes import scope_text


@dataclass(frozen=True, slots=True)
class Reach:
    """`tickers` and `order_ids` None: every order of the account. `note` says when it had to be wider than asked."""

    text: str
    is_everything: bool
    covers: Callable[[VenueOrder], bool]
    note: str = ""


def everything(text: str, note: str = "") -> Reach:
    return Reach(text, True, lambda _: True, note)


def of_prefix(text: str, ticker: str) -> Reach:
    """A market, or an event or series with all below it: their tickers begin with its own."""
    return Reach(text, False, lambda order: order.ticker == ticker or order.ticker.startswith(f"{ticker}-"))


def of_markets(text: str, members: Collection[str]) -> Reach:
    """Markets, events and series by ticker."""
    reaches = [of_prefix(text, member) for member in members]
    return Reach(text, False, lambda order: any(reach.covers(order) for reach in reaches))


def of_client_ids(text: str, client_order_ids: Collection[str]) -> Reach:
    return Reach(text, False, lambda order: order.client_order_id in client_order_ids)


def reach_without_records(scope: str, scope_id: str) -> Reach:
    """What can be told from the tickers alone; anything else takes the whole account, which is never too little."""
    text = scope_text(scope, scope_id)
    if scope in (Scope.GLOBAL, Scope.ACCOUNT, Scope.ENVIRONMENT):
        return everything(text)
    if scope in (Scope.SERIES, Scope.EVENT, Scope.MARKET):
        return of_prefix(text, scope_id)
    return everything(text, f"the records that tell {text} apart are away: every order of the account is taken")
