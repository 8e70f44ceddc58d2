"""Refusals are told apart by their code in every body shape, never by the status alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps.gateway import errors as e
from apps.gateway.kalshi.error_bodies import error_of


def _nested(code: str, **more: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": code.replace("_", " "), "service": "exchange", **more}}


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("order_already_exists", e.OrderAlreadyExists),
        ("fill_or_kill_insufficient_resting_volume", e.FokUnfilled),
        ("trading_is_paused", e.TradingPaused),
        ("exchange_is_paused", e.ExchangePaused),
        ("market_closed", e.MarketClosed),
        ("exceeded_order_group_risk_limit", e.GroupTriggered),
        ("EXCEEDED_ORDER_GROUP_RISK_LIMIT", e.GroupTriggered),
        ("order_group_not_found", e.GroupNotFound),
    ],
)
def test_409_means_what_its_code_says(code: str, error: type[e.VenueRejected]) -> None:
    found = error_of(409, json.dumps(_nested(code)).encode(), is_write=True)
    assert type(found) is error
    assert isinstance(found, e.VenueRejected)
    assert (found.status, found.code) == (409, code.lower())


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"code": "insufficient_balance", "message": "m"}, e.InsufficientBalance),
        (400, _nested("insufficient_balance"), e.InsufficientBalance),
        (400, {"msg": "Key: 'GetMarketsParams.Limit' failed on the 'lte' tag"}, e.InvalidRequest),
        (400, _nested("invalid_order", details="post only cross"), e.PostOnlyCross),
        (400, _nested("invalid_order", details="something else"), e.InvalidOrder),
        (400, _nested("invalid_order_size"), e.InvalidOrder),
        (400, _nested("MARKET_INACTIVE"), e.MarketClosed),
        (400, _nested("order_not_found:_1234"), e.OrderNotFound),
        (401, _nested("header_timestamp_expired"), e.ClockSkew),
        (401, _nested("some_new_word"), e.AuthenticationFailed),
        (
            403,
            {"error": {"code": "", "message": "this API key is restricted to a single sub-account"}},
            e.Forbidden,
        ),
        (403, _nested("permission_denied"), e.Forbidden),
        (404, _nested("not_found"), e.NotFound),
        (409, _nested("a_code_nobody_told_us"), e.VenueRejected),
        (410, _nested("deprecated_v1_order_endpoint"), e.DeprecatedEndpoint),
        (429, {"error": "too many requests"}, e.RateLimited),
    ],
)
def test_refusals_by_shape_and_code(status: int, body: dict[str, Any], error: type[e.GatewayError]) -> None:
    assert type(error_of(status, json.dumps(body).encode(), is_write=True)) is error


def test_not_found_on_an_order_is_about_the_order() -> None:
    body = json.dumps(_nested("not_found")).encode()
    assert type(error_of(404, body, is_write=True, about_order=True)) is e.OrderNotFound


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"error":{"code":"insufficient_balance","message":""}}'])
def test_5xx_to_a_write_is_never_a_refusal(status: int, body: bytes) -> None:
    assert type(error_of(status, body, is_write=True)) is e.ServerFailed
    assert type(error_of(status, body, is_write=False)) is e.ReadFailed


@pytest.mark.parametrize("status", [302, 400, 404, 409, 429])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"x"', b"\xff", b"{}", b'{"error":7}'])
def test_unreadable_answer_to_a_write_proves_nothing(status: int, body: bytes) -> None:
    assert type(error_of(status, body, is_write=True)) is e.UndecodableReply


def test_a_redirect_is_not_a_verdict_even_with_a_readable_body() -> None:
    body = json.dumps(_nested("not_found")).encode()
    assert type(error_of(302, body, is_write=True)) is e.UndecodableReply
    assert type(error_of(302, body, is_write=False)) is e.ReadFailed


def test_the_venues_own_doubt_is_an_unknown_outcome() -> None:
    body = json.dumps(_nested("EXCHANGE_UNAVAILABLE")).encode()
    assert type(error_of(400, body, is_write=True)) is e.ServerFailed


def test_rejection_keeps_the_venues_words() -> None:
    found = error_of(400, json.dumps(_nested("invalid_order", details="post only cross")).encode(), is_write=True)
    assert "post only cross" in str(found)
    assert "invalid_order" in str(found)
