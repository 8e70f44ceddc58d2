from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.engine.intent_ids import MAX_LENGTH, MAX_NUMBER, BadIntentId, intent_id, request_id

KEYS = st.text("ABCxyz0189_", min_size=1, max_size=20)
NUMBERS = st.one_of(st.integers(0, 300), st.integers(0, MAX_NUMBER))
KINDS = st.text("ghimpuxz", min_size=1, max_size=4)

INTENTS = st.tuples(st.just("intent"), KEYS, NUMBERS, NUMBERS)
REQUESTS = st.tuples(st.just("request"), KEYS, KINDS, NUMBERS, NUMBERS)
CAUSES = st.one_of(INTENTS, REQUESTS)


def made(cause: tuple[Any, ...]) -> str:
    return intent_id(*cause[1:]) if cause[0] == "intent" else request_id(*cause[1:])


@given(CAUSES, CAUSES)
@settings(max_examples=200)
def test_two_causes_share_an_id_only_if_they_are_the_same(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    assert (made(one) == made(other)) == (one == other)


def test_neighboring_tokens_ordinals_kinds_and_rows_never_meet() -> None:
    causes: list[tuple[Any, ...]] = [("intent", "key1", token, ordinal) for token in range(40) for ordinal in range(40)]
    causes += [
        ("request", "key1", kind, pk, step) for kind in ("m", "p", "u", "mu") for pk in range(40) for step in range(5)
    ]
    assert len({made(cause) for cause in causes}) == len(causes)


@given(CAUSES)
@settings(max_examples=200)
def test_the_exchange_takes_every_id(cause: tuple[Any, ...]) -> None:
    text = made(cause)
    assert text.isascii()
    assert "." not in text
    assert len(text) <= MAX_LENGTH


def test_the_longest_id_has_room() -> None:
    assert len(intent_id("k" * 20, MAX_NUMBER, MAX_NUMBER)) == 54
    assert len(request_id("k" * 20, "zzzz", MAX_NUMBER, MAX_NUMBER)) == 59


def test_the_text_of_an_id_never_changes() -> None:
    """A restarted session must compute the ids of orders that an older release may have sent."""
    assert intent_id("7fq2ab91", 3, 255) == "7fq2ab91-3-ff"
    assert request_id("7fq2ab91", "m", 18) == "7fq2ab91-m-12"
    assert request_id("7fq2ab91", "u", 18, 2) == "7fq2ab91-u-12-2"


@pytest.mark.parametrize("key", ["", "a.b", "a-b", "a b", "k" * 21, "ключ", "a\n", None])
def test_a_key_that_would_spoil_ids_is_refused(key: Any) -> None:
    with pytest.raises(BadIntentId, match="order key"):
        intent_id(key, 1, 1)


@pytest.mark.parametrize("kind", ["", "a", "f0", "M", "m1", "m-", "mmmmm", None])
def test_a_kind_that_could_be_taken_for_a_token_is_refused(kind: Any) -> None:
    with pytest.raises(BadIntentId, match="kind"):
        request_id("key1", kind, 1)


@pytest.mark.parametrize("number", [-1, MAX_NUMBER + 1, True, 1.0, float("nan"), None, "1"])
def test_a_number_that_is_none_is_refused(number: Any) -> None:
    for attempt in (
        lambda: intent_id("key1", number, 1),
        lambda: intent_id("key1", 1, number),
        lambda: request_id("key1", "m", number),
        lambda: request_id("key1", "m", 1, number),
    ):
        with pytest.raises(BadIntentId, match="whole number"):
            attempt()
