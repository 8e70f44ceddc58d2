"""A real Chromium against the real ASGI application, with a database file of its own.

The server runs in a thread of the test process, so a test decides what is published and what the database holds.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from channels.routing import ProtocolTypeRouter
from django.contrib.auth.models import User
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.management import call_command
from django.test import Client
from playwright.sync_api import Browser, Page, sync_playwright
from pytest_django.plugin import DjangoDbBlocker

from .database import default_database

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Path:
    path = tmp_path_factory.mktemp("browser") / "migrated.sqlite3"
    with django_db_blocker.unblock(), default_database(path):
        call_command("migrate", verbosity=0)
    return path


@pytest.fixture
def database(
    migrated_file: Path, tmp_path: Path, django_db_blocker: DjangoDbBlocker, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Committed rows that the server's threads can see; a copy of the migrated file per test."""
    # Playwright's synchronous API keeps an event loop on this thread, which Django would otherwise refuse.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    path = shutil.copy(migrated_file, tmp_path / "browser.sqlite3")
    with django_db_blocker.unblock(), default_database(Path(path)):
        yield


@pytest.fixture
def server(database: None) -> Iterator[str]:
    """The address of the running application."""
    from kalshiops.asgi import application

    mapping = application.application_mapping
    served = ProtocolTypeRouter({**mapping, "http": ASGIStaticFilesHandler(mapping["http"])})
    running = uvicorn.Server(
        uvicorn.Config(
            served,
            host="127.0.0.1",
            port=0,
            lifespan="off",
            log_config=None,
            ws="websockets-sansio",
            timeout_graceful_shutdown=1,
        )
    )
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.02)
    port = running.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    running.should_exit = True
    thread.join(10)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = next((found for name in CHROMIUMS if (found := shutil.which(name))), None)
    if path is None:
        pytest.fail(f"The browser tests need a Chromium on PATH ({', '.join(CHROMIUMS)}): apt-get install chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()


def _session_of(name: str) -> str:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client.cookies["sessionid"].value


@pytest.fixture
def sign_in(browser: Browser, server: str) -> Iterator[Callable[..., Page]]:
    """Opens a window of its own for a person who has signed in; complaints of the browser fail the test.

    `test_signing_in.py` goes through the pages for it.
    """
    complaints: list[str] = []
    contexts = []

    def opened(name: str, prepare: Callable[[Page], None] | None = None, **options: Any) -> Page:
        context = browser.new_context(base_url=server, viewport={"width": 1440, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        context.add_cookies([{"name": "sessionid", "value": _session_of(name), "url": server}])
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        if prepare is not None:
            prepare(page)
        page.goto("/")
        page.wait_for_selector("#main")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
