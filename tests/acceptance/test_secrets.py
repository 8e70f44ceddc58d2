"""G26: canaries in every slot for a secret, and none of them anywhere a secret may not be.

Each place is looked at twice, with what covers secrets and, as a control, without: a search that finds nothing then
has found that there is nothing.
"""

from __future__ import annotations

import io
import json
import logging
import logging.config
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.management import call_command
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from django.views.debug import ExceptionReporter
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.analytics.services import liquidity_export
from apps.analytics.services.support import support_bundle
from apps.console.http import public_page
from apps.core.redaction import COVER, RedactingFilter, RedactingReporter, known_secrets, redacted, redacted_value
from apps.governance.services import audit_record, system_event_record
from apps.marketdata.connection import kalshi_signer
from apps.marketdata.exceptions import KeyNotConfigured
from apps.risk.services import kill_switch_trip
from tests import factories as make
from tests.factories import NOW

ROOT = Path(__file__).resolve().parents[2]
WORDS = {
    "SECRET_KEY": "canary-signing-key-<&>-0123456789",
    "KALSHI_KEY_ID": "canary-key-id-4711",
    "KALSHI_KILL_KEY_ID": "canary-kill-key-id-4712",
    "database": "canary-database-p@ss:word",
    "redis": "canary-redis-password",
    "notify": "canary-notify-token",
}
FORMS = [
    *(word for name, word in WORDS.items() if name not in ("SECRET_KEY", "database")),
    "canary-signing-key",
    "canary-database-p",
]


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture
def planted(settings: Any, tmp_path: Path, private_key: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The settings with a canary in every slot; returns what must be found nowhere."""
    key_file = tmp_path / "key.pem"
    key_file.write_text(private_key)
    for name in ("SECRET_KEY", "KALSHI_KEY_ID", "KALSHI_KILL_KEY_ID"):
        setattr(settings, name, WORDS[name])
    settings.KALSHI_PRIVATE_KEY_FILE = settings.KALSHI_KILL_PRIVATE_KEY_FILE = str(key_file)
    settings.REDIS_URL = settings.CELERY_BROKER_URL = f"redis://:{WORDS['redis']}@127.0.0.1:1/0"
    monkeypatch.setitem(settings.DATABASES["default"], "PASSWORD", WORDS["database"])
    settings.NOTIFY_URLS = [f"json://user:{WORDS['notify']}@127.0.0.1:1/"]
    return [*FORMS, *(line for line in private_key.splitlines()[1:-1] if len(line) > 20)]


def hits(text: str, planted: list[str]) -> list[str]:
    return [one for one in planted if one in text]


def everything(private_key: str, settings: Any) -> str:
    """One text with every canary, the way a careless line of code would put it together."""
    password = settings.DATABASES["default"]["PASSWORD"]
    return (
        f"key={settings.SECRET_KEY} id {settings.KALSHI_KEY_ID!r} {settings.KALSHI_KILL_KEY_ID} "
        f"{settings.REDIS_URL} {settings.NOTIFY_URLS} password={password} {private_key}"
    )


# Logs


@pytest.fixture
def logged(settings: Any) -> Iterator[tuple[StringIO, logging.Handler]]:
    """The platform's own handler, as LOGGING configures it, writing into memory."""
    handler_settings = settings.LOGGING["handlers"]["console"]
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter(settings.LOGGING["formatters"]["plain"]["format"], style="{"))
    for name in handler_settings["filters"]:
        handler.addFilter(logging.config.DictConfigurator(settings.LOGGING).configure_filter(
            dict(settings.LOGGING["filters"][name])
        ))  # fmt: skip
    logger = logging.getLogger("canary")
    logger.addHandler(handler)
    logger.propagate = False
    yield stream, handler
    logger.removeHandler(handler)
    logger.propagate = True


def log_it_all(text: str, settings: Any) -> None:
    logger = logging.getLogger("canary")
    logger.error(text)
    logger.error("with an argument: %s and %r", text, {"url": settings.REDIS_URL})
    logger.error("Authorization: Bearer abc.def.ghi", stack_info=True)
    try:
        raise ValueError(text)
    except ValueError:
        logger.exception("it failed")


def test_logs(planted: list[str], private_key: str, settings: Any, logged: tuple[StringIO, logging.Handler]) -> None:
    stream, _ = logged
    log_it_all(everything(private_key, settings), settings)
    text = stream.getvalue()
    assert hits(text, [*planted, "abc.def.ghi"]) == []
    assert text.count(COVER) > 10
    assert "Traceback" in text
    assert "it failed" in text


def test_logs_would_hold_them_without_the_filter(
    planted: list[str], private_key: str, settings: Any, logged: tuple[StringIO, logging.Handler]
) -> None:
    stream, handler = logged
    (found,) = handler.filters
    assert isinstance(found, RedactingFilter)
    handler.removeFilter(found)
    log_it_all(everything(private_key, settings), settings)
    assert set(hits(stream.getvalue(), planted)) == set(planted)


_PROCESS = """
import logging, logging.config
from uvicorn.config import LOGGING_CONFIG
logging.config.dictConfig(LOGGING_CONFIG)
import django
django.setup()
from django.conf import settings
from kalshiops.celery import app
app.log.setup(loglevel="INFO")
text = f"{settings.SECRET_KEY} {settings.KALSHI_KEY_ID} {settings.REDIS_URL} {settings.DATABASES}"
for name in ("", "uvicorn.error", "uvicorn", "django.request", "django", "celery.app.trace", "celery.worker", "apps.x"):
    try:
        raise RuntimeError(text)
    except RuntimeError:
        logging.getLogger(name).exception("from %s: %s", name or "root", text)
print("loggers done")
"""


@pytest.mark.parametrize("is_covered", [True, False], ids=["covered", "control"])
def test_every_logger_of_a_real_process(tmp_path: Path, is_covered: bool) -> None:
    """As `deploy/up` starts them: uvicorn's and Celery's own logging comes first, then ours."""
    code = _PROCESS if is_covered else _PROCESS.replace(
        "text =", "logging.root.handlers[0].filters.clear(); text =", 1
    )  # fmt: skip
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "kalshiops.settings",
        "KALSHIOPS_RUN_DIR": str(tmp_path),
        "SECRET_KEY": WORDS["SECRET_KEY"],
        "KALSHI_KEY_ID": WORDS["KALSHI_KEY_ID"],
        "REDIS_URL": f"redis://:{WORDS['redis']}@127.0.0.1:1/0",
        "DATABASE_URL": "postgres://kalshiops:canary-database-p%40ss@127.0.0.1:1/none",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=ROOT, check=True, timeout=60
    )
    text = done.stdout + done.stderr
    assert "loggers done" in text
    for name in ("uvicorn.error", "django.request", "celery.app.trace", "root"):
        assert f"from {name}:" in text
    found = {one for one in ("canary-signing-key", "canary-key-id", "canary-redis", "canary-database") if one in text}
    assert (found == set()) is is_covered


# Error pages


@public_page
def broken(request: HttpRequest) -> HttpResponse:
    from django.conf import settings

    secret, address = settings.SECRET_KEY, settings.REDIS_URL
    key_text = Path(settings.KALSHI_PRIVATE_KEY_FILE).read_text()
    raise RuntimeError(f"{secret} {address} {settings.KALSHI_KEY_ID} {key_text} {settings.NOTIFY_URLS}")


urlpatterns = [path("broken/", broken), path("", include("kalshiops.urls"))]


def error_page(settings: Any, *, debug: bool) -> str:
    settings.DEBUG, settings.ROOT_URLCONF = debug, __name__
    response = Client(raise_request_exception=False).get(
        "/broken/", headers={"Authorization": "Bearer abc.def.ghi", "Cookie": "sessionid=canary-session"}
    )
    assert response.status_code == 500
    return response.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("debug", [True, False])
def test_error_pages(planted: list[str], settings: Any, debug: bool) -> None:
    html = error_page(settings, debug=debug)
    assert hits(html, [*planted, "abc.def.ghi", "canary-session"]) == []
    if debug:
        assert "RuntimeError" in html
        assert COVER in html


@pytest.mark.django_db
def test_error_pages_would_hold_them_without_the_reporter(planted: list[str], settings: Any) -> None:
    settings.DEFAULT_EXCEPTION_REPORTER = "django.views.debug.ExceptionReporter"
    found = hits(error_page(settings, debug=True), planted)
    assert {"canary-redis-password", "canary-signing-key", "canary-key-id-4711"} <= set(found)


def test_error_mails(planted: list[str], settings: Any) -> None:
    def report(kind: type[ExceptionReporter]) -> str:
        try:
            broken(HttpRequest())
        except RuntimeError:
            return kind(None, *sys.exc_info()).get_traceback_text()
        raise AssertionError

    assert hits(report(RedactingReporter), planted) == []
    assert hits(report(ExceptionReporter), planted) != []


# Database, exports, bundle


def work(settings: Any) -> None:
    """What goes wrong with secrets at hand: everything that records its own failure."""
    make.parameters(make.config())
    key = Path(settings.KALSHI_PRIVATE_KEY_FILE)
    kill_switch_trip(scope="global", reason="Redis is away", actor=None, actor_label="system:test", now=NOW)
    text = key.read_text()
    key.write_text(text[:300])
    with pytest.raises(KeyNotConfigured) as refused:
        kalshi_signer()
    key.write_text(text)
    system_event_record(
        code="TEST_FAILED",
        severity="critical",
        source="test",
        message=f"{refused.value} at {settings.REDIS_URL}, {settings.KALSHI_KEY_ID}",
        details={"url": settings.REDIS_URL, "password": "canary-redis-password", "key": text},
        now=NOW,
    )
    with pytest.raises(SystemExit):
        call_command("verify_liquidity", "--drill-wait", "0", stdout=StringIO())
    Client().post("/sign-in/", {"username": "craig", "password": "canary-typed-password"})


def dump() -> str:
    """Every row of every table, as the database itself holds it."""
    parts = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608  names of our tables
            parts += [f"{table}: {row!r}" for row in cursor.fetchall()]
    return "\n".join(parts)


@pytest.mark.django_db
def test_the_database(planted: list[str], settings: Any) -> None:
    work(settings)
    text = dump()
    assert "TEST_FAILED" in text
    assert hits(text, [*planted, "canary-typed-password"]) == []


@pytest.mark.django_db
def test_the_secret_of_an_authenticator_app_is_in_its_own_column_and_nowhere_else(
    planted: list[str], settings: Any
) -> None:
    """A code can only be checked against the secret itself, so it has to be kept; nothing may copy it."""
    device = TOTPDevice.objects.create(user=make.user("carol"), name="Authenticator app")
    work(settings)
    assert [line.partition(":")[0] for line in dump().splitlines() if device.key in line] in (
        [],
        [device._meta.db_table],
    )
    with zipfile.ZipFile(io.BytesIO(support_bundle(now=NOW, by="test"))) as bundle:
        assert not any(device.key in bundle.read(name).decode() for name in bundle.namelist())


@pytest.mark.django_db
def test_exports(planted: list[str], settings: Any) -> None:
    work(settings)
    _, content = liquidity_export(
        account=make.account(), window_start=NOW.replace(day=1), window_end=NOW, actor=None, now=NOW
    )
    assert hits(content.decode(), planted) == []


@pytest.mark.django_db
def test_the_support_bundle(planted: list[str], settings: Any, tmp_path: Path) -> None:
    work(settings)
    out, target = StringIO(), tmp_path / "bundle.zip"
    call_command("support_bundle", "--output", str(target), stdout=out)
    assert out.getvalue().strip() == str(target)
    assert target.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(target) as bundle:
        files = {name: bundle.read(name).decode() for name in bundle.namelist()}
    assert set(files) == {"versions.json", "settings.json", "events.json", "processes.json", "manifest.json"}
    for name, text in files.items():
        assert hits(text, planted) == [], name
    told = json.loads(files["settings.json"])
    assert told["SECRET_KEY"] == COVER
    assert told["KALSHI_ENVIRONMENT"] == settings.KALSHI_ENVIRONMENT
    assert COVER in told["REDIS_URL"]
    assert "TEST_FAILED" in files["events.json"]
    assert json.loads(files["versions.json"])["packages"]["Django"]


@pytest.mark.django_db
def test_the_bundle_would_hold_them_without_redaction(
    planted: list[str], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.analytics.services.support.redacted", lambda text: text)
    monkeypatch.setattr("apps.analytics.services.support.redacted_value", lambda value: value)
    with zipfile.ZipFile(io.BytesIO(support_bundle(now=NOW, by="test"))) as bundle:
        text = bundle.read("settings.json").decode()
    assert {"canary-redis-password", "canary-key-id-4711", "canary-notify-token"} <= set(hits(text, planted))


# The redaction itself


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN RSA PRIVATE KEY-----\nMIIcanary\nmore\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nMIIcanary cut off",
        "Authorization: Bearer canary",
        "{'Authorization': 'Basic canary'}",
        "KALSHI-ACCESS-KEY: canary",
        "'KALSHI-ACCESS-SIGNATURE': 'canary=='",
        "Cookie: sessionid=canary; other=canary",
        "password=canary&next=/",
        '"api_key": "canary"',
        "redis://:canary@host:6379/0 and postgres://me:canary@db/x",
        "otpauth://totp/kalshiops:craig?secret=CANARY234567&issuer=kalshiops",
    ],
)
def test_what_looks_like_a_secret_is_covered(text: str) -> None:
    assert "canary" not in redacted(text).lower()


@pytest.mark.parametrize(
    "text",
    [
        "", "a plain sentence about keys and passwords", "http://127.0.0.1:8000/orders/", "K5: key K7, token bucket",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "-----BEGIN PUBLIC KEY-----",
    ],
)  # fmt: skip
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


def test_values_are_covered_by_name_and_by_content_and_keep_their_shape() -> None:
    value = {"key": "K7", "api_key": "x1", "fencing_token": 3, "list": [{"password": "y"}, "ok"], "none": None}
    covered = {"key": "K7", "api_key": COVER, "fencing_token": 3, "list": [{"password": COVER}, "ok"], "none": None}
    assert redacted_value(value) == covered


def test_short_and_empty_settings_cover_nothing(settings: Any) -> None:
    settings.SECRET_KEY, settings.KALSHI_KEY_ID, settings.KALSHI_KILL_KEY_ID = "abc", "", ""
    assert "abc" not in known_secrets()
    assert redacted("abc") == "abc"


@pytest.mark.django_db
def test_the_record_takes_no_secret_even_when_it_is_handed_one(planted: list[str], settings: Any) -> None:
    event = system_event_record(
        code="TEST", severity="info", source="test", message=settings.REDIS_URL, details={"at": settings.REDIS_URL},
        now=NOW,
    )  # fmt: skip
    assert "canary" not in event.message + json.dumps(event.details)
    assert audit_record(actor=None, actor_label="test", action="a.b", obj_type="x", obj_id=1, now=NOW).pk
