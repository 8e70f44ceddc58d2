"""Makes values fit for a record that nobody can take anything out of again.

Secrets are covered. Personal data becomes a keyed hash: equal values stay recognizable as equal, and whoever holds the
key can check a guess, but the record itself does not tell.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder

from apps.core.redaction import COVER, redacted

_SECRET = re.compile(
    r"(?:.*_)?(?:password|passwd|secret|token|private_key|api_key|access_key|recovery_codes?|session_?key|sessionid)"
)
_PERSONAL = re.compile(r"(?:.*_)?(?:email|e_mail|first_name|last_name|full_name|phone|ip_address|date_of_birth)")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def stored_value(value: dict[str, Any] | None) -> Any:
    """JSON without floats, secrets or personal data: decimals, floats and times become strings.

    Raises `TypeError` for what JSON cannot hold.
    """
    if value is None:
        return None
    text = json.dumps(value, cls=DjangoJSONEncoder)
    plain = json.loads(text, parse_float=str, parse_constant=str)
    return _covered(plain, has_secrets=redacted(text) != text)


def stored_text(text: str) -> str:
    """The text without known secrets. What a database cannot store is replaced: no stop may fail on its reason."""
    return redacted(_UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text))


def _covered(value: Any, *, has_secrets: bool) -> Any:
    if isinstance(value, dict):
        return {_clean(name): _named(name.lower(), item, has_secrets=has_secrets) for name, item in value.items()}
    if isinstance(value, list):
        return [_covered(item, has_secrets=has_secrets) for item in value]
    if isinstance(value, str):
        return stored_text(value) if has_secrets else _clean(value)
    return value


def _named(name: str, value: Any, *, has_secrets: bool) -> Any:
    if value in (None, "", [], {}) or isinstance(value, bool):
        return value
    if _SECRET.fullmatch(name):
        return COVER
    if _PERSONAL.fullmatch(name):
        return f"keyed:{_keyed(value)}"
    return _covered(value, has_secrets=has_secrets)


def _keyed(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return hmac.new(f"audit:{settings.SECRET_KEY}".encode(), text.encode(), hashlib.sha256).hexdigest()[:32]


def _clean(text: str) -> str:
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)
