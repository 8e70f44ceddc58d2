"""Settings of the platform. Every value may come from the environment; deploy/.env.example lists the names.

With nothing set, the embedded default applies: SQLite and files under `.run/`, a private Redis and the exchange
simulator that `deploy/up` starts and announces through `.run/platform.env`.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
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
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp_webauthn",
    "axes",
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
    "apps.core.request_ids.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "apps.governance.middleware.HeadersMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "apps.governance.middleware.SignedInMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
    # The last one, so that nothing stands between its refusal and the view.
    "apps.governance.middleware.AccessMiddleware",
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
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
LOGIN_URL = "console:sign-in"
LOGIN_REDIRECT_URL = "console:mission"
STEP_UP_URL = "console:step-up"

# A sign-in ends after so many hours whatever happens, and after so many minutes without a step of its person's own;
# the second holds for everybody with more rights than these, so that a screen on the wall may stay.
SIGN_IN_HOURS = env.int("SIGN_IN_HOURS", default=12)
SIGN_IN_IDLE_MINUTES = env.int("SIGN_IN_IDLE_MINUTES", default=30)
SIGN_IN_IDLE_EXEMPT = frozenset({"governance.see_everything", "governance.export_metrics", "risk.trip_kill_switch"})
# How many proxies of ours stand in front; the address the outermost saw counts for the lock-out.
PROXY_DEPTH = env.int("PROXY_DEPTH", default=0)
AXES_CLIENT_IP_CALLABLE = "apps.governance.addresses.client_address"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "code", "passkey", "csrfmiddlewaretoken"]
# The sign-in page says the same whether somebody is locked out or mistyped.
AXES_LOCKOUT_CALLABLE = "apps.governance.addresses.same_answer"
OTP_TOTP_ISSUER = "kalshiops"
OTP_WEBAUTHN_RP_NAME = "kalshiops"
# Passkeys follow the name the request came to, which ALLOWED_HOSTS has checked; see apps/console/passkeys.py.
OTP_WEBAUTHN_RP_ID_CALLABLE = "apps.console.passkeys.domain_of"
OTP_WEBAUTHN_ALLOWED_ORIGINS = ["http://localhost"]
OTP_WEBAUTHN_ALLOW_PASSWORDLESS_LOGIN = False

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
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
# Longer than a sign-in may last, so that its end is ours to record and to explain.
SESSION_COOKIE_AGE = (SIGN_IN_HOURS + 1) * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = env.bool("SECURE_COOKIES", default=False)
if SESSION_COOKIE_SECURE:
    # With this prefix a browser takes the cookie over TLS only, from this host only, and for every path.
    SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "__Host-sessionid", "__Host-csrftoken"
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=False)
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=0)
# Whether a domain's other hosts speak TLS only is for their owners to say, not for this platform.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
_POLICY = "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; img-src 'self' data:"
CONTENT_SECURITY_POLICY = f"default-src 'self'; {_POLICY}"
# Unfold's Alpine evaluates what its templates say, and its templates carry style attributes.
CONTENT_SECURITY_POLICY_ADMIN = (
    f"default-src 'self'; script-src 'self' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; {_POLICY}"
)
PERMISSIONS_POLICY = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"

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
# The audit chain: places outside the database that keep its signed heads (real ones lie on other hosts), the key that
# signs them, and public keys (hex) of before that are still trusted.
AUDIT_ANCHOR_PLACES = env.list(
    "AUDIT_ANCHOR_PLACES", default=[str(RUN_DIR / "anchors" / "first"), str(RUN_DIR / "anchors" / "second")]
)
AUDIT_KEY_FILE = Path(env.str("AUDIT_KEY_FILE", default=str(RUN_DIR / "audit_key.pem")))
AUDIT_FORMER_KEYS = env.list("AUDIT_FORMER_KEYS", default=[])
RECORDINGS_DIR = Path(env.str("RECORDINGS_DIR", default=str(RUN_DIR / "recordings")))

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "filters": {"redacting": {"()": "apps.core.redaction.RedactingFilter"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain", "filters": ["redacting"]}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        # One line per request would bury what a person looks for.
        "httpx2": {"level": "WARNING"},
        "httpcore2": {"level": "WARNING"},
        "axes": {"level": "WARNING"},
        # These bring handlers of their own, past which no secret would be covered.
        **{
            name: {"handlers": [], "propagate": True}
            for name in ("django", "django.server", "uvicorn", "uvicorn.error")
        },
    },
}
DEFAULT_EXCEPTION_REPORTER = "apps.core.redaction.RedactingReporter"

UNFOLD = {
    "SITE_TITLE": "kalshiops",
    "SITE_HEADER": "kalshiops",
    "SITE_SUBHEADER": "Trading operations",
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
}
