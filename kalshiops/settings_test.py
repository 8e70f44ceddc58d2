"""Overrides for the test suite: fast hashing, no broker, a database of its own."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

# Before the settings are read: a platform that runs on this machine must not be found, let alone touched. Each process
# has a folder of its own, because stop flags in it halt every session that reads them.
os.environ["KALSHIOPS_RUN_DIR"] = tempfile.mkdtemp(prefix="kalshiops-test-")

from .settings import *  # noqa: F403  the suite overrides a handful of names and takes the rest as they are
from .settings import DATABASES, RUN_DIR, env

atexit.register(shutil.rmtree, RUN_DIR, ignore_errors=True)

SECRET_KEY = "test-only-key-that-signs-nothing-of-value"  # noqa: S105
STATIC_ROOT = RUN_DIR / "static"
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
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
