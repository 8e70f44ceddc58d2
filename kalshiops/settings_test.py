"""Overrides for the test suite: fast hashing, no broker, a database of its own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from .settings import *  # noqa: F403  the suite overrides a handful of names and takes the rest as they are
from .settings import DATABASES, env

SECRET_KEY = "test-only-key-that-signs-nothing-of-value"  # noqa: S105
RUN_DIR = Path(tempfile.gettempdir()) / "kalshiops-test"
RECORDINGS_DIR = RUN_DIR / "recordings"
DATABASES = {**DATABASES, "default": env.db_url("TEST_DATABASE_URL", default="sqlite://:memory:")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, as in production: connections to a database in memory lock each other's tables out.
    RUN_DIR.mkdir(parents=True, exist_ok=True)
    DATABASES["default"]["TEST"] = {"NAME": str(RUN_DIR / f"test-{os.getpid()}.sqlite3")}
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA foreign_keys=ON;",
    }
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
CELERY_TASK_ALWAYS_EAGER = False
CELERY_BROKER_URL = "memory://"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
