"""Keeps secrets out of logs, error pages and bundles.

What is covered: every secret value the settings hold, in any of the forms it is written in, and whatever looks like
key material or a credential. The filter stands on the log handlers, the reporter behind Django's error pages.
"""

from __future__ import annotations

import html
import json
import logging
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from django.conf import settings
from django.utils.safestring import SafeString, mark_safe
from django.views.debug import ExceptionReporter

COVER = "[redacted]"
MIN_SECRET = 6
"""A shorter value is no secret worth the name, and covering it would spoil the rest of the text."""

# Settings that are secrets, and settings that are addresses with a password inside.
SECRET_NAMES = ("SECRET_KEY", "KALSHI_KEY_ID", "KALSHI_KILL_KEY_ID")
SECRET_LISTS = ("SECRET_KEY_FALLBACKS", "NOTIFY_URLS")
ADDRESS_NAMES = ("REDIS_URL", "CELERY_BROKER_URL")
NAME_OF_SECRET = re.compile(
    r"TOKEN|SECRET|CREDENTIAL|NOTIFY|PASSW(?:OR)?D$|KEY_ID$|(?:API|PRIVATE)_?KEY$", re.IGNORECASE
)

_PATTERNS = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"(?i)(?<=\bauthorization)(['\"]?\s*[:=,]\s*['\"]?(?:bearer |basic |token )?)[^\s'\",;]+"),
    re.compile(r"(?i)(?<=\bkalshi-access-)((?:key|signature)['\"]?\s*[:=,]\s*b?['\"]?)[^\s'\",;)]+"),
    re.compile(r"(?i)(?<=\bcookie)(['\"]?\s*[:=,]\s*['\"]?)[^\r\n'\"]+"),
    re.compile(r"(?i)\b((?:password|passwd|secret|api_?key|access_?token)['\"]?\s*[:=]\s*['\"]?)[^\s'\",;&)]+"),
    re.compile(r"(?i)(otpauth://\S*?secret=)[A-Z2-7]+=*"),
    re.compile(r"(?<=://)([^/\s:@]*:)[^/\s@]+(?=@)"),
)


def redacted(text: str) -> str:
    """The text with every known secret and everything that looks like one covered."""
    for secret in known_secrets():
        if secret in text:
            text = text.replace(secret, COVER)
    for pattern in _PATTERNS:
        text = pattern.sub(lambda found: f"{found[1] if found.re.groups else ''}{COVER}", text)
    return text


def redacted_value(value: Any) -> Any:
    """The same through lists and mappings; a text under a name that says secret goes as a whole."""
    if isinstance(value, dict):
        return {
            str(key): COVER if item and isinstance(item, str) and is_secret_name(str(key)) else redacted_value(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted_value(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redacted(str(value))


def is_secret_name(name: str) -> bool:
    return NAME_OF_SECRET.search(name) is not None


def known_secrets() -> tuple[str, ...]:
    """Every secret value of the settings in every form it may be written in, the longest first."""
    return _forms(tuple(sorted(set(_configured()))))


def _configured() -> Iterator[str]:
    for name in SECRET_NAMES:
        yield getattr(settings, name, "")
    for name in SECRET_LISTS:
        yield from getattr(settings, name, ())
    for name in ADDRESS_NAMES:
        yield urlsplit(getattr(settings, name, "")).password or ""
    for database in getattr(settings, "DATABASES", {}).values():
        yield str(database.get("PASSWORD") or "")


@lru_cache(maxsize=8)
def _forms(secrets: tuple[str, ...]) -> tuple[str, ...]:
    forms: set[str] = set()
    for secret in secrets:
        for plain in (secret, unquote(secret)):
            forms |= {plain, quote(plain, safe=""), html.escape(plain), json.dumps(plain)[1:-1], repr(plain)[1:-1]}
    return tuple(sorted((form for form in forms if len(form) >= MIN_SECRET), key=len, reverse=True))


class RedactingFilter(logging.Filter):
    """Stands on a handler: what passes has its message, its traceback and its stack covered."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redacted(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redacted(record.exc_text)
        if record.stack_info:
            record.stack_info = redacted(record.stack_info)
        return True


class RedactingReporter(ExceptionReporter):
    """Error pages and error mails, also with DEBUG on: settings, local variables and the message are covered."""

    def get_traceback_html(self) -> SafeString:
        return mark_safe(redacted(super().get_traceback_html()))  # noqa: S308  escaped before; covering adds no markup

    def get_traceback_text(self) -> SafeString:
        return mark_safe(redacted(super().get_traceback_text()))  # noqa: S308
