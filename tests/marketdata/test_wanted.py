from __future__ import annotations

from apps.marketdata.feeds.wanted import WantedMarkets


def reads_in(wanted: WantedMarkets, seconds: int, found: tuple[str, ...] = ()) -> list[int]:
    """At which seconds the catalogue is read, each time bringing `found`."""
    read = []
    for now in range(seconds):
        if wanted.is_due(float(now)):
            read.append(now)
            wanted.read(found, float(now))
    return read


def test_first_unknown_market_is_read_for_at_once_and_once_if_it_is_found() -> None:
    wanted = WantedMarkets()
    assert reads_in(wanted, 100) == []
    wanted.add(["KXA-1"])
    assert reads_in(wanted, 100, ("KXA-1",)) == [0]


def test_market_that_is_not_found_is_read_for_ever_more_rarely_and_then_given_up() -> None:
    wanted = WantedMarkets()
    wanted.add(["KXA-1"])
    assert reads_in(wanted, 1_000) == [0, 4, 12, 28, 60]


def test_stream_of_unknown_markets_is_read_for_at_most_every_two_seconds() -> None:
    wanted, read = WantedMarkets(), []
    for now in range(10):
        wanted.add([f"KXA-{now}"])
        if wanted.is_due(float(now)):
            read.append(now)
            wanted.read((), float(now))
    assert read == [0, 2, 4, 6, 8]


def test_markets_of_other_series_are_none_of_our_business() -> None:
    wanted = WantedMarkets(["KXA"])
    wanted.add(["KXB-1", "KXAA-1"])
    assert not wanted.is_due(0.0)
    wanted.add(["KXA-1-T1"])
    assert wanted.is_due(0.0)
