from __future__ import annotations

import threading
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import pytest
from celery import current_app
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management import call_command

from apps.core.shutdown import stopping
from apps.gateway.errors import BudgetExhausted
from apps.gateway.kalshi.signing import KEY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, verify
from apps.gateway.throttle import Limit
from apps.marketdata import runner, tasks
from apps.marketdata.connection import kalshi_rest, kalshi_signer, kalshi_socket
from apps.marketdata.exceptions import KeyNotConfigured
from apps.marketdata.feeds.catalogue import CatalogueScope

from .fakes import START_MS, FakeClock


@pytest.fixture
def key(tmp_path: Path, settings: Any) -> Ed25519PrivateKey:
    made = Ed25519PrivateKey.generate()
    pem = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "key.pem"
    path.write_bytes(pem)
    settings.KALSHI_KEY_ID = "team"
    settings.KALSHI_PRIVATE_KEY_FILE = str(path)
    return made


def test_signer_uses_the_configured_key(key: Ed25519PrivateKey) -> None:
    headers = kalshi_signer(FakeClock()).headers("GET", "/trade-api/v2/markets")
    assert (headers[KEY_HEADER], headers[TIMESTAMP_HEADER]) == ("team", str(START_MS))
    assert verify(key.public_key(), START_MS, "GET", "/trade-api/v2/markets", headers[SIGNATURE_HEADER])


@pytest.mark.parametrize(
    ("key_id", "content", "words"),
    [
        ("", b"x", "KALSHI_KEY_ID is not set"),
        ("team", None, "cannot be read"),
        ("team", b"-----BEGIN SECRET-----\nhunter2\n", "not an unencrypted PEM key"),
        ("team", b"", "not an unencrypted PEM key"),
    ],
)
def test_key_that_cannot_be_used_is_a_typed_error_that_never_quotes_it(
    key_id: str, content: bytes | None, words: str, tmp_path: Path, settings: Any
) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    settings.KALSHI_KEY_ID = key_id
    settings.KALSHI_PRIVATE_KEY_FILE = str(path)
    with pytest.raises(KeyNotConfigured) as raised:
        kalshi_signer()
    assert words in raised.value.message
    assert "hunter2" not in str(raised.value)
    with pytest.raises(KeyNotConfigured):
        runner.run_market_data(threading.Event())


def test_key_file_that_is_not_named_is_a_typed_error(settings: Any) -> None:
    settings.KALSHI_KEY_ID = "team"
    settings.KALSHI_PRIVATE_KEY_FILE = ""
    with pytest.raises(KeyNotConfigured, match="KALSHI_PRIVATE_KEY_FILE"):
        kalshi_rest()


async def test_clients_come_from_the_settings(key: Ed25519PrivateKey, settings: Any) -> None:
    settings.KALSHI_API_URL = "http://exchange.test/trade-api/v2"
    rest, socket = kalshi_rest(clock=FakeClock()), kalshi_socket(clock=FakeClock())
    assert socket.decoder.use_yes_price is True
    assert not socket.is_connected
    await rest.aclose()


async def test_clients_pay_from_one_account_and_the_stopping_process_from_its_reserve(
    key: Ed25519PrivateKey, settings: Any, redis_url: str
) -> None:
    trading, feed, kill = kalshi_rest(), kalshi_rest(), kalshi_rest(is_priority=True)
    await trading.budget.set_limits(Limit(200, 1), Limit(100, 1))
    # The account starts with its reserve alone: fifty tokens that nobody but a stop may take.
    for rest in (trading, feed):
        with pytest.raises(BudgetExhausted):
            await rest.budget.acquire(10, write=True)
    for _ in range(5):
        await kill.budget.acquire(10, write=True)
    with pytest.raises(BudgetExhausted):
        await kill.budget.acquire(10, write=True)
    for rest in (trading, feed, kill):
        await rest.aclose()


def test_scope_comes_from_the_settings(settings: Any) -> None:
    assert CatalogueScope.from_settings() == CatalogueScope((), 1_000)
    settings.MARKETDATA_SERIES = ["KXA"]
    settings.MARKETDATA_MARKET_CAP = 7
    assert CatalogueScope.from_settings() == CatalogueScope(("KXA",), 7)


def test_tasks_carry_the_names_the_schedule_uses_and_ignore_what_they_do_not_know() -> None:
    names = {"marketdata.ensure_session", "marketdata.run_session", "marketdata.sync_catalogue"}
    assert names <= set(current_app.tasks)
    with (
        patch.object(tasks, "session_ensure") as ensure,
        patch.object(tasks, "run_market_data") as run,
        patch.object(tasks, "catalogue_refresh") as refresh,
    ):
        tasks.ensure_session(later="added")
        tasks.run_session(later="added")
        tasks.sync_catalogue(later="added")
    ensure.assert_called_once()
    run.assert_called_once_with(stopping)
    refresh.assert_called_once_with()


def test_command_says_why_the_session_ended(capsys: pytest.CaptureFixture[str]) -> None:
    with (
        patch("apps.marketdata.management.commands.run_market_data.run_market_data", return_value="held"),
        patch("apps.marketdata.management.commands.run_market_data.signal.signal", Mock()),
    ):
        call_command("run_market_data")
    assert capsys.readouterr().out == "market data ended: held\n"
