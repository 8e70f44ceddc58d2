"""No sequence of orders, crowd trades and settlements makes or loses a millionth of a dollar."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.engine.types import Side

from .venue import ORDERS, TICKER, make_venue

sides = st.sampled_from(["bid", "ask"])
prices = st.sampled_from(["0.3900", "0.4000", "0.4500", "0.5000", "0.5500", "0.6000", "0.6100"])
counts = st.sampled_from(["0.01", "0.37", "1.00", "25.00", "180.50"])
names = st.sampled_from(["craig", "cliff"])
steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("order"),
            names,
            sides,
            prices,
            counts,
            st.sampled_from(["good_till_canceled", "immediate_or_cancel", "fill_or_kill"]),
            st.sampled_from(["taker_at_cross", "maker"]),
        ),
        st.tuples(
            st.just("crowd"), st.sampled_from(Side), st.sampled_from([3900, 4500, 5500, 6100]), st.integers(1, 9_999)
        ),
        st.tuples(st.just("level"), st.sampled_from(Side), st.integers(1, 20_000)),
        st.tuples(st.just("cancel"), names),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(
    recorded=st.booleans(),
    fee_type=st.sampled_from(["quadratic", "quadratic_with_maker_fees"]),
    script=steps,
    result=st.sampled_from([("yes", None), ("no", None), ("scalar", 3_333)]),
)
def test_money_is_conserved(
    recorded: bool, fee_type: str, script: list[tuple[object, ...]], result: tuple[str, int | None]
) -> None:
    venue = make_venue(recorded=recorded, fee_type=fee_type)
    accounts = venue.exchange.state.accounts.values()
    for name, *arguments in script:
        if name == "order":
            who, side, price, count, tif, prevention = (str(a) for a in arguments)
            venue.clients[who].create(side, price, count, time_in_force=tif, self_trade_prevention_type=prevention)
        elif name == "crowd":
            side_, limit, quantity = arguments
            assert isinstance(side_, Side)
            venue.crowd_takes(side_, int(str(limit)), int(str(quantity)))
        elif name == "level":
            side_, quantity = arguments
            assert isinstance(side_, Side)
            venue.level(side_, 4000 if side_ is Side.BID else 6000, int(str(quantity)))
        else:
            venue.clients[str(arguments[0])].call("DELETE", ORDERS)
        assert venue.conserved()
        assert all(a.cash >= a.bound() >= 0 for a in accounts)
    for account in accounts:
        for order in account.orders.values():
            filled = sum(f.quantity for f in account.fills if f.order is order)
            assert order.filled == filled <= order.initial
    venue.exchange.determine(TICKER, *result)
    venue.exchange.settle(TICKER)
    assert venue.conserved()
    assert all(a.held(TICKER) == 0 for a in accounts)
