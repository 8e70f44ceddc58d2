"""Settings of the platform. Every value may come from the environment; deploy/.env.example lists the names.

With nothing set, the embedded default applies: SQLite and files under `.run/`, a private Redis and the exchange
simulator that `deploy/up` starts and announces through `.run/platform.env`.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
RUN_DIR = Path(env.str("KALSHIOPS_RUN_DIR", default=str(BASE_DIR / ".run")))
if (RUN_DIR / "platform.env").is_file():
    env.read_env(str(RUN_DIR / "platform.env"), overwrite=False)


def _secret_key() -> str:
    """The configured key, else one generated once for this installation and readable by its owner only."""
    if configured := env.str("SECRET_KEY", default=""):
        return configured
    path = RUN_DIR / "secret_key"
    if not path.is_file():
        RUN_DIR.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(50))
    return path.read_text()


SECRET_KEY = _secret_key()
DEBUG = env.bool("DEBUG", default=False)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
RELEASE = env.str("KALSHIOPS_RELEASE", default="development")

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "kalshiops.apps.PlatformAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "channels",
    "apps.core",
    "apps.governance",
    "apps.marketdata",
    "apps.risk",
    "apps.trading",
    "apps.simulation",
    "apps.analytics",
    "apps.console",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "apps.governance.middleware.OneTimePasswordMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "kalshiops.urls"
WSGI_APPLICATION = "kalshiops.wsgi.application"
ASGI_APPLICATION = "kalshiops.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{RUN_DIR / 'kalshiops.sqlite3'}")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # IMMEDIATE takes the write lock at BEGIN, so that two writers queue instead of failing half way.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
    }
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", default="redis://127.0.0.1:6399/0")
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "kalshiops.live"},
    }
}

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 1, "socket_timeout": 5}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "console:mission"

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
FORMAT_MODULE_PATH = ["kalshiops.formats"]

STATIC_URL = "static/"
STATIC_ROOT = RUN_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.bool("SECURE_COOKIES", default=False)
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=False)
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=0)
# Whether a domain's other hosts speak TLS only is for their owners to say, not for this platform.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# Where orders and market data go. The key itself stays in its file; it never enters the database.
KALSHI_ENVIRONMENT = env.str("KALSHI_ENVIRONMENT", default="simulated")
KALSHI_API_URL = env.str("KALSHI_API_URL", default="http://127.0.0.1:8899/trade-api/v2")
KALSHI_WS_URL = env.str("KALSHI_WS_URL", default="ws://127.0.0.1:8899/trade-api/ws/v2")
KALSHI_KEY_ID = env.str("KALSHI_KEY_ID", default="")
KALSHI_PRIVATE_KEY_FILE = env.str("KALSHI_PRIVATE_KEY_FILE", default="")
# The guardian's and the kill command's own key; empty: the trading key.
KALSHI_KILL_KEY_ID = env.str("KALSHI_KILL_KEY_ID", default="")
KALSHI_KILL_PRIVATE_KEY_FILE = env.str("KALSHI_KILL_PRIVATE_KEY_FILE", default="")
VENUES = {"kalshi": "apps.gateway.kalshi.venue.KalshiVenue"}
# Which part of the exchange the market-data session follows: these series (none: all), at most so many open markets.
MARKETDATA_SERIES = env.list("MARKETDATA_SERIES", default=[])
MARKETDATA_MARKET_CAP = env.int("MARKETDATA_MARKET_CAP", default=1_000)
RECORDINGS_DIR = Path(env.str("RECORDINGS_DIR", default=str(RUN_DIR / "recordings")))

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    # One line per request would bury what a person looks for.
    "loggers": {"httpx2": {"level": "WARNING"}, "httpcore2": {"level": "WARNING"}},
}

UNFOLD = {
    "SITE_TITLE": "kalshiops",
    "SITE_HEADER": "kalshiops",
    "SITE_SUBHEADER": "Trading operations",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
}
